-- silver.report: one row per order.
select datediff(ordered_at, $as_of, 'day') as age from bronze.orders
