-- silver.orders: one row per order.
select order_id from bronze.orders
