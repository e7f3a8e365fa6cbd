-- gold.customers: one row per customer, with the newest known value of each field.
-- Ties go to the smaller record id. Street, postcode, city and country travel together: they come from one record.
with records as (
    select
        people.*,
        customer_ids.customer_id,
        row_number() over (
            partition by customer_ids.customer_id order by people.changed_on desc, people.record_id) as recency
    from silver.people as people
    join identity.customer_ids as customer_ids on customer_ids.record_id = people.record_id
),
-- For each field the newest record that knows it.
newest as (
    select
        customer_id,
        min(recency) filter (where given_name is not null) as given_name,
        min(recency) filter (where family_name is not null) as family_name,
        min(recency) filter (where birth_date is not null) as birth_date,
        min(recency) filter (where email is not null) as email,
        min(recency) filter (where phone is not null) as phone,
        coalesce(min(recency) filter (where street is not null), 1) as address
    from records
    group by customer_id
),
people as (
    select
        records.customer_id,
        max(records.given_name) filter (where records.recency = newest.given_name) as given_name,
        max(records.family_name) filter (where records.recency = newest.family_name) as family_name,
        max(records.birth_date) filter (where records.recency = newest.birth_date) as birth_date,
        max(records.email) filter (where records.recency = newest.email) as email,
        max(records.phone) filter (where records.recency = newest.phone) as phone,
        max(records.street) filter (where records.recency = newest.address) as street,
        max(records.postcode) filter (where records.recency = newest.address) as postcode,
        max(records.city) filter (where records.recency = newest.address) as city,
        max(records.country) filter (where records.recency = newest.address) as country,
        min(records.known_since_on) as customer_since_on,
        count(*) as records_count,
        count(*) filter (where records.source = 'crm') > 0 as has_crm_record,
        count(*) filter (where records.source = 'webshop') > 0 as has_web_account,
        count(*) filter (where records.source = 'loyalty') > 0 as is_club_member
    from records
    join newest on newest.customer_id = records.customer_id
    group by records.customer_id
),
-- A purchase is a sale that brought money; one that takes something back lowers what was spent, and is no purchase.
purchases as (
    select customer_id, sale_id, min(sold_on) as sold_on, sum(sek_amount) as sek_amount
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
    from purchases
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
    coalesce(newsletter.granted, false) as has_newsletter_consent,
    coalesce(spending.purchases_count, 0) as purchases_count,
    spending.first_purchase_on,
    spending.last_purchase_on,
    coalesce(spending.spent_sek_amount, 0.00) as spent_sek_amount
from people
left join spending on spending.customer_id = people.customer_id
left join newsletter on newsletter.email = people.email
