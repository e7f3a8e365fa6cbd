-- gold.source_value: one row per source of person records, with what would be lost without it.
with records as (
    select people.source, people.email, people.phone, people.birth_date, people.street, customer_ids.customer_id
    from silver.people as people
    join identity.customer_ids as customer_ids
        on customer_ids.source = people.source and customer_ids.source_id = people.source_id
),
-- What each customer is known by, and through how many systems.
known as (
    select
        source, customer_id,
        count(email) > 0 as has_email, count(phone) > 0 as has_phone, count(birth_date) > 0 as has_birth_date,
        count(street) > 0 as has_address, count(*) as records_count
    from records
    group by source, customer_id
),
totals as (
    select
        customer_id,
        count(*) as sources_count,
        count(*) filter (where has_email) as emails_count,
        count(*) filter (where has_phone) as phones_count,
        count(*) filter (where has_birth_date) as birth_dates_count,
        count(*) filter (where has_address) as addresses_count
    from known
    group by customer_id
)
select
    known.source,
    cast(sum(known.records_count) as bigint) as records_count,
    count(*) as customers_count,
    count(*) filter (where totals.sources_count = 1) as only_here_count,
    count(*) filter (where known.has_email and totals.emails_count = 1) as emails_only_here_count,
    count(*) filter (where known.has_phone and totals.phones_count = 1) as phones_only_here_count,
    count(*) filter (where known.has_birth_date and totals.birth_dates_count = 1) as birth_dates_only_here_count,
    count(*) filter (where known.has_address and totals.addresses_count = 1) as addresses_only_here_count
from known
join totals on totals.customer_id = known.customer_id
group by known.source
