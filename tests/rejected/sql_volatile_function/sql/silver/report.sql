select uuid() as row_id, email from bronze.people
