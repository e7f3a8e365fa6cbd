-- silver.report: one row per order.
select date_diff('fortnight', ordered_at, $as_of) as age from bronze.orders
