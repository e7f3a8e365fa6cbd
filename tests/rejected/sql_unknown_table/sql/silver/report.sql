select customer_id from bronze.order
