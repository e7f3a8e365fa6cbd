-- silver.report: one row per order.
select order_id, E'a\n' as note from bronze.orders
