-- gold.coverage: one row per group of customers, with the share of it that the web data knows.
-- Who never logs in, or refuses cookies, is missing from the web events: conclusions drawn from them hold for the rest.
with seen as (
    select distinct customer_id from identity.cookie_ids
),
customers as (
    select
        customers.customer_id,
        customers.country,
        case
            when customers.birth_date is null then 'unknown'
            when date_part('year', cast($as_of at time zone 'Europe/Stockholm' as date)) - date_part('year', customers.birth_date) < 30 then 'under 30'
            when date_part('year', cast($as_of at time zone 'Europe/Stockholm' as date)) - date_part('year', customers.birth_date) < 50 then '30 to 49'
            when date_part('year', cast($as_of at time zone 'Europe/Stockholm' as date)) - date_part('year', customers.birth_date) < 65 then '50 to 64'
            else '65 and older'
        end as age_band,
        case when customers.has_web_account then 'web account' else 'no web account' end as account,
        seen.customer_id is not null as is_seen
    from gold.customers as customers
    left join seen on seen.customer_id = customers.customer_id
),
grouped as (
    select 'country' as dimension, country as member, customer_id, is_seen from customers
    union all
    select 'age', age_band, customer_id, is_seen from customers
    union all
    select 'account', account, customer_id, is_seen from customers
)
select
    dimension,
    member,
    count(*) as customers_count,
    count(*) filter (where is_seen) as seen_count,
    cast(count(*) filter (where is_seen) as double) / count(*) as seen_share
from grouped
group by dimension, member
