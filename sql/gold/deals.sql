-- gold.deals: one row per business opportunity, with the contacts that it took.
-- A contact counts from the day the deal was opened to the day it was closed, or to today.
with deals as (
    select deals.*, customer_ids.customer_id
    from silver.deals as deals
    left join identity.customer_ids as customer_ids
        on customer_ids.source = 'crm' and customer_ids.source_id = deals.customer_no
),
contacts as (
    select
        deals.deal_id,
        count(*) as contacts_count,
        count(*) filter (where interactions.channel in ('phone', 'store')) as talks_count
    from deals
    join bronze.crm_interactions as interactions
        on interactions.customer_no = deals.customer_no
        and cast(interactions.occurred_at at time zone 'Europe/Stockholm' as date) >= deals.opened_on
        and (deals.closed_on is null
            or cast(interactions.occurred_at at time zone 'Europe/Stockholm' as date) <= deals.closed_on)
    group by deals.deal_id
)
select
    deals.deal_id,
    deals.customer_id,
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
left join contacts on contacts.deal_id = deals.deal_id
