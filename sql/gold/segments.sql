-- gold.segments: one row per segment and customer in it.
-- Every customer of gold.rfm is in exactly one segment of its recency and frequency; the others cut across.
with rfm as (
    select * from gold.rfm
),
customers as (
    select * from gold.customers
),
by_recency_and_frequency as (
    select
        case
            when recency_score >= 4 and frequency_score >= 4 then 'champions'
            when recency_score >= 3 and frequency_score >= 3 then 'loyal'
            when recency_score >= 4 then 'newcomers'
            when recency_score = 3 then 'hesitant'
            when frequency_score >= 4 then 'must_not_lose'
            when frequency_score = 3 then 'slipping'
            else 'hibernating'
        end as segment,
        customer_id
    from rfm
),
-- Bought three times or more, and not for half a year.
lapsed_loyal as (
    select 'lapsed_loyal' as segment, customer_id from rfm where purchases_count >= 3 and recency_days > 180
),
-- They may be written to, at the address that is known best.
newsletter_readers as (
    select 'newsletter_readers' as segment, customer_id
    from customers
    where email is not null and has_newsletter_consent
),
never_bought as (
    select 'never_bought' as segment, customer_id from customers where purchases_count = 0
)
select segment, customer_id from by_recency_and_frequency
union all
select segment, customer_id from lapsed_loyal
union all
select segment, customer_id from newsletter_readers
union all
select segment, customer_id from never_bought
