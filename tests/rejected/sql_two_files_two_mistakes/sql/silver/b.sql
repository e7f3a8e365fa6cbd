select email from bronze.people limit 1
