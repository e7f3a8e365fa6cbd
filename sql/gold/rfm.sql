-- gold.rfm: one row per customer who bought in the three years before `$as_of`, scored by recency, frequency and money.
-- A score of 1 to 5 says which fifth of the customers one's value falls into, as they stood on the first day of the
-- month: within a month scores compare. Equal values share the lower fifth, however many they are.
with days as (
    select local_date($as_of) as today
),
moments as (
    select today, today as measured_on from days
    union
    select today, month_of(today) as measured_on from days
),
purchases as (
    select customer_id, sale_id, min(sold_on) as sold_on, sum(sek_amount) as sek_amount
    from gold.sales
    where customer_id is not null
    group by customer_id, sale_id
),
measured as (
    select
        moments.measured_on,
        moments.measured_on = moments.today as is_current,
        purchases.customer_id,
        max(purchases.sold_on) filter (where purchases.sek_amount > 0) as last_purchase_on,
        count(*) filter (where purchases.sek_amount > 0) as purchases_count,
        cast(sum(purchases.sek_amount) as decimal(14,2)) as spent_sek_amount
    from moments
    join purchases
        on purchases.sold_on < moments.measured_on
        and purchases.sold_on >= moments.measured_on - interval '3 years'
    group by moments.measured_on, moments.today, purchases.customer_id
    having count(*) filter (where purchases.sek_amount > 0) > 0
),
compared as (
    select
        customer_id, is_current, last_purchase_on, purchases_count, spent_sek_amount,
        measured_on - last_purchase_on as recency_days,
        -- Those of the first of the month; a company younger than that compares with today.
        case when measured_on = min(measured_on) over () then 1 else 0 end as is_yardstick
    from measured
),
ranked as (
    select
        *,
        sum(is_yardstick) over () as yardstick_count,
        sum(is_yardstick) over (order by recency_days desc)
            - sum(is_yardstick) over (partition by recency_days) as less_recent_count,
        sum(is_yardstick) over (order by purchases_count)
            - sum(is_yardstick) over (partition by purchases_count) as less_frequent_count,
        sum(is_yardstick) over (order by spent_sek_amount)
            - sum(is_yardstick) over (partition by spent_sek_amount) as less_spent_count
    from compared
)
select
    customer_id,
    last_purchase_on,
    recency_days,
    purchases_count,
    spent_sek_amount,
    cast(least(5, 1 + 5 * less_recent_count / yardstick_count) as integer) as recency_score,
    cast(least(5, 1 + 5 * less_frequent_count / yardstick_count) as integer) as frequency_score,
    cast(least(5, 1 + 5 * less_spent_count / yardstick_count) as integer) as money_score
from ranked
where is_current
