-- silver.report: one row per order.
select dbt_utils.generate_surrogate_key(order_id, status) as id from bronze.orders
