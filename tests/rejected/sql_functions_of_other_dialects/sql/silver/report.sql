-- silver.report: one row per order.
select order_id, zeroifnull(amount) as amount, getdate() as loaded_at from bronze.orders
