-- gold.deals: one row per business opportunity, with the contacts that it took.
-- A contact counts from the day the deal was opened to the day it was closed, or to today.
with deals as (
    select * from silver.deals
),
customer_ids as (
    select source_id as customer_no, customer_id from identity.customer_ids where source = 'crm'
),
interactions as (
    select customer_no, channel, local_date(occurred_at) as occurred_on from bronze.crm_interactions
),
contacts as (
    select
        deals.deal_id,
        count(*) as contacts_count,
        count(*) filter (where interactions.channel in ('phone', 'store')) as talks_count
    from deals
    join interactions
        on interactions.customer_no = deals.customer_no
        and interactions.occurred_on >= deals.opened_on
        and (deals.closed_on is null or interactions.occurred_on <= deals.closed_on)
    group by deals.deal_id
)
select
    deals.deal_id,
    customer_ids.customer_id,
    deals.stage,
    deals.is_closed,
    deals.stage = 'won' as is_won,
    deals.amount,
    deals.currency,
    deals.sek_amount,
    deals.opened_on,
    deals.closed_on,
    deals.closed_on - deals.opened_on as days_open,
    coalesce(contacts.contacts_count, 0) as contacts_count,
    coalesce(contacts.talks_count, 0) as talks_count,
    deals.owner
from deals
left join customer_ids on customer_ids.customer_no = deals.customer_no
left join contacts on contacts.deal_id = deals.deal_id
