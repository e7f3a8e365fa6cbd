select email from silver.c
