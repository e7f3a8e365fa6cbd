-- gold.recent: one row per order of the day.
select order_id from bronze.orders where placed_at >= $as_of
