-- gold.customers: one row per customer, with what is known best of them, what they bought and whether they may be written to.
with people as (
    select * from identity.golden_customers
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
    array_has(people.sources, 'crm') as has_crm_record,
    array_has(people.sources, 'webshop') as has_web_account,
    array_has(people.sources, 'loyalty') as is_club_member,
    array_has(people.sources, 'newsletter') as is_subscriber,
    coalesce(newsletter.granted, false) as has_newsletter_consent,
    coalesce(spending.purchases_count, 0) as purchases_count,
    spending.first_purchase_on,
    spending.last_purchase_on,
    coalesce(spending.spent_sek_amount, 0.00) as spent_sek_amount
from people
left join spending on spending.customer_id = people.customer_id
left join newsletter on newsletter.email = people.email
