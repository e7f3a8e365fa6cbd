-- gold.deliveries: one row per state of the buyer: how long deliveries take and how often they are late.
select
    state,
    count(*) as delivered_count,
    count(*) filter (where is_late) as late_count,
    cast(count(*) filter (where is_late) as double) / cast(count(*) as double) as late_share,
    median(cast(days_to_deliver as double)) as median_days,
    quantile_cont(cast(days_to_deliver as double), 0.9) as days_of_nine_in_ten
from silver.orders
where delivered_on is not null
group by state
