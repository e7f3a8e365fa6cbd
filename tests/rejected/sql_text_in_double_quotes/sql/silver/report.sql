-- silver.report: one row per order.
select order_id from bronze.orders where status = "paid"
