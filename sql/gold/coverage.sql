-- gold.coverage: one row per group of customers, with the share of it that the web data knows.
-- Who never logs in, or refuses cookies, is missing from the web events: conclusions drawn from them hold for the rest.
with days as (
    select local_date($as_of) as today
),
seen as (
    select distinct customer_id from identity.cookie_ids
),
customers as (
    select
        customers.customer_id,
        coalesce(customers.country, 'unknown') as country,
        case
            when customers.birth_date is null then 'unknown'
            when customers.birth_date > days.today - interval '30 years' then 'under 30'
            when customers.birth_date > days.today - interval '50 years' then '30 to 49'
            when customers.birth_date > days.today - interval '65 years' then '50 to 64'
            else '65 and older'
        end as age_band,
        case when customers.has_web_account then 'web account' else 'no web account' end as account,
        seen.customer_id is not null as is_seen
    from gold.customers as customers
    cross join days
    left join seen on seen.customer_id = customers.customer_id
),
members as (
    select 'country' as dimension, country as member, is_seen from customers
    union all
    select 'age', age_band, is_seen from customers
    union all
    select 'account', account, is_seen from customers
)
select
    dimension,
    member,
    count(*) as customers_count,
    count(*) filter (where is_seen) as seen_count,
    share(count(*) filter (where is_seen), count(*)) as seen_share
from members
group by dimension, member
