-- gold.customers: one row per customer, with the newest known value of each field.
-- Ties go to the smaller record id. Street, postcode, city and country travel together: they come from the newest record
-- that has a street, or if none has, from the newest that has a country.
with records as (
    select
        people.*,
        customer_ids.customer_id,
        row_number() over (
            partition by customer_ids.customer_id
            order by people.changed_on desc, people.record_id) as recency,
        row_number() over (
            partition by customer_ids.customer_id
            order by people.street is null, people.country is null, people.changed_on desc, people.record_id) as address_recency
    from silver.people as people
    join identity.customer_ids as customer_ids on customer_ids.record_id = people.record_id
),
-- `min_by` passes over records that do not know the value.
people as (
    select
        customer_id,
        min_by(given_name, recency) as given_name,
        min_by(family_name, recency) as family_name,
        min_by(birth_date, recency) as birth_date,
        min_by(email, recency) as email,
        min_by(phone, recency) as phone,
        max(street) filter (where address_recency = 1) as street,
        max(postcode) filter (where address_recency = 1) as postcode,
        max(city) filter (where address_recency = 1) as city,
        max(country) filter (where address_recency = 1) as country,
        min(known_since_on) as customer_since_on,
        count(*) as records_count,
        count(*) filter (where source = 'crm') > 0 as has_crm_record,
        count(*) filter (where source = 'webshop') > 0 as has_web_account,
        count(*) filter (where source = 'loyalty') > 0 as is_club_member,
        count(*) filter (where source = 'newsletter') > 0 as is_subscriber
    from records
    group by customer_id
),
-- A purchase is a sale that brought money; one that takes something back lowers what was spent, and is no purchase.
sales as (
    select customer_id, min(sold_on) as sold_on, sum(sek_amount) as sek_amount
    from gold.sales
    where customer_id is not null
    group by customer_id, sale_id
),
spending as (
    select
        customer_id,
        count(*) filter (where sek_amount > 0) as purchases_count,
        min(sold_on) filter (where sek_amount > 0) as first_purchase_on,
        max(sold_on) filter (where sek_amount > 0) as last_purchase_on,
        cast(sum(sek_amount) as decimal(14,2)) as spent_sek_amount
    from sales
    group by customer_id
),
newsletter as (
    select email, granted from gold.consents_current where purpose = 'newsletter' and email is not null
)
select
    people.customer_id,
    people.given_name,
    people.family_name,
    people.birth_date,
    people.email,
    people.phone,
    people.street,
    people.postcode,
    people.city,
    people.country,
    people.customer_since_on,
    people.records_count,
    people.has_crm_record,
    people.has_web_account,
    people.is_club_member,
    people.is_subscriber,
    coalesce(newsletter.granted, false) as has_newsletter_consent,
    coalesce(spending.purchases_count, 0) as purchases_count,
    spending.first_purchase_on,
    spending.last_purchase_on,
    coalesce(spending.spent_sek_amount, 0.00) as spent_sek_amount
from people
left join spending on spending.customer_id = people.customer_id
left join newsletter on newsletter.email = people.email
