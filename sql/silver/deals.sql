-- silver.deals: one row per business opportunity, with the customer record behind it and what it is worth in SEK.
with opportunities as (
    select * from bronze.crm_opportunities
),
rates as (
    select * from ref.exchange_rates
)
select
    opportunities.opportunity_id as deal_id,
    opportunities.customer_no,
    opportunities.stage,
    opportunities.stage in ('won', 'lost') as is_closed,
    opportunities.amount,
    opportunities.currency,
    cast(opportunities.amount * rates.sek_per_unit as decimal(14,2)) as sek_amount,
    opportunities.opened_on,
    opportunities.closed_on,
    opportunities.owner
from opportunities
left join rates on rates.currency = opportunities.currency
