select order_id from bronze.orders
