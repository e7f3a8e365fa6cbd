-- silver.report: one row per order.
select top 10 order_id from bronze.orders order by order_id
