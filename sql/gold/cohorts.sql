-- gold.cohorts: one row per month of first purchase and number of months since, with who came back.
-- The month that `$as_of` stands in is not over, so it is left out.
with purchases as (
    select customer_id, month_of(min(sold_on)) as month_on, sum(sek_amount) as sek_amount
    from gold.sales
    where customer_id is not null and sold_on < month_of(local_date($as_of))
    group by customer_id, sale_id
    having sum(sek_amount) > 0
),
firsts as (
    select customer_id, min(month_on) as cohort_month from purchases group by customer_id
),
sizes as (
    select cohort_month, count(*) as customers_count from firsts group by cohort_month
),
active as (
    select
        firsts.cohort_month,
        date_diff('month', firsts.cohort_month, purchases.month_on) as months_since,
        count(distinct purchases.customer_id) as active_count,
        sum(purchases.sek_amount) as sek_amount
    from purchases
    join firsts on firsts.customer_id = purchases.customer_id
    group by firsts.cohort_month, date_diff('month', firsts.cohort_month, purchases.month_on)
)
select
    active.cohort_month,
    cast(active.months_since as integer) as months_since,
    sizes.customers_count,
    active.active_count,
    share(active.active_count, sizes.customers_count) as active_share,
    cast(active.sek_amount as decimal(14,2)) as sek_amount
from active
join sizes on sizes.cohort_month = active.cohort_month
