select customer_id from orders
