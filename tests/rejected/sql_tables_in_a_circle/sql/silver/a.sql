select email from silver.b
