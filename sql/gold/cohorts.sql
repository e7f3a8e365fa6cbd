-- gold.cohorts: one row per month of first purchase and number of months since, with who came back.
-- The month that `$as_of` stands in is not over, so it is left out.
with days as (
    select cast(date_trunc('month', cast($as_of at time zone 'Europe/Stockholm' as date)) as date) as this_month
),
purchases as (
    select
        customer_id, sale_id, cast(date_trunc('month', min(sold_on)) as date) as month,
        cast(sum(sek_amount) as decimal(14,2)) as sek_amount
    from gold.sales
    where customer_id is not null
    group by customer_id, sale_id
    having sum(sek_amount) > 0
),
firsts as (
    select customer_id, min(month) as cohort_month from purchases group by customer_id
),
sizes as (
    select cohort_month, count(*) as customers_count from firsts group by cohort_month
),
active as (
    select
        firsts.cohort_month,
        12 * (date_part('year', purchases.month) - date_part('year', firsts.cohort_month))
            + date_part('month', purchases.month) - date_part('month', firsts.cohort_month) as months_since,
        count(distinct purchases.customer_id) as active_count,
        cast(sum(purchases.sek_amount) as decimal(14,2)) as sek_amount
    from purchases
    join firsts on firsts.customer_id = purchases.customer_id
    join days on purchases.month < days.this_month
    group by 1, 2
)
select
    active.cohort_month,
    cast(active.months_since as integer) as months_since,
    sizes.customers_count,
    active.active_count,
    cast(active.active_count as double) / sizes.customers_count as active_share,
    active.sek_amount
from active
join sizes on sizes.cohort_month = active.cohort_month
