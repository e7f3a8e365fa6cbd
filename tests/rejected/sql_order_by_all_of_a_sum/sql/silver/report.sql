-- silver.report: one row per order.
select order_id, count(*) from bronze.orders group by all order by all
