select email from bronze.people where country = $land
