-- silver.report: one row per order.
select order_id, #2 as amount from bronze.orders
