-- silver.people: one row per record of a person or company in the registers: CRM, web shop, loyalty club, newsletter.
-- Values stand in one form, so that records compare; placeholders (`test@test.se`, 00000000) are no way to reach anyone.
-- Tickets, answers and cookies are no registers: they are tied to a customer, and make none.
with crm as (
    select
        'crm' as source, customer_no as source_id, given_name, family_name, national_id, birth_date, email, phone,
        street, postcode, city, country, created_on as known_since_on, changed_on
    from bronze.crm_customers
),
webshop as (
    select
        'webshop' as source, cast(customer_id as varchar) as source_id, given_name, family_name,
        cast(null as varchar) as national_id, birth_date, email, phone, street, postcode, city, country,
        local_date(created_at) as known_since_on, local_date(updated_at) as changed_on
    from bronze.web_customers
),
-- The club exports no date of change: a member counts as unchanged since joining.
loyalty as (
    select
        'loyalty' as source, card_no as source_id, given_name, family_name, cast(null as varchar) as national_id,
        birth_date, email, phone, cast(null as varchar) as street, postcode, cast(null as varchar) as city, country,
        local_date(joined_at) as known_since_on, local_date(joined_at) as changed_on
    from bronze.loyalty_members
),
-- A subscriber is an address, as written when subscribing; nothing else is known, and another address is another subscriber.
newsletter as (
    select
        'newsletter' as source, email as source_id, cast(null as varchar) as given_name,
        cast(null as varchar) as family_name, cast(null as varchar) as national_id, cast(null as date) as birth_date, email,
        cast(null as varchar) as phone, cast(null as varchar) as street, cast(null as varchar) as postcode,
        cast(null as varchar) as city, cast(null as varchar) as country, local_date(min(changed_at)) as known_since_on,
        local_date(min(changed_at)) as changed_on
    from bronze.consents
    where purpose = 'newsletter' and email is not null
    group by email
),
records as (
    select * from crm
    union all
    select * from webshop
    union all
    select * from loyalty
    union all
    select * from newsletter
),
-- Country first: it decides how phone numbers, postcodes and national ids are read.
located as (
    select
        * exclude (given_name, family_name, street, city, country),
        nullif(trim(repair_mojibake(given_name)), '') as given_name,
        nullif(trim(repair_mojibake(family_name)), '') as family_name,
        nullif(trim(repair_mojibake(street)), '') as street,
        nullif(trim(repair_mojibake(city)), '') as city,
        country_code(country) as country
    from records
)
select
    source,
    source_id,
    given_name,
    family_name,
    birth_date,
    case when is_valid_national_id(national_id, country) then normalize_national_id(national_id, country) end
        as national_id,
    case when not is_placeholder_email(email) then normalize_email(email) end as email,
    case when not is_placeholder_phone(phone) then normalize_phone(phone, country) end as phone,
    street,
    normalize_postcode(postcode, country) as postcode,
    city,
    country,
    known_since_on,
    changed_on
from located
