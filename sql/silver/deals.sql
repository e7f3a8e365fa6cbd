-- silver.deals: one row per business opportunity, with the customer record behind it and what it is worth in SEK.
-- The CRM sells in euro too; its rate stands beside the others in silver.exchange_rates.
select
    opportunities.opportunity_id as deal_id,
    opportunities.customer_no,
    opportunities.stage,
    opportunities.stage in ('won', 'lost') as is_closed,
    opportunities.amount,
    opportunities.currency,
    cast(opportunities.amount * exchange_rates.sek_per_unit as decimal(14,2)) as sek_amount,
    opportunities.opened_on,
    opportunities.closed_on,
    opportunities.owner
from bronze.crm_opportunities as opportunities
left join silver.exchange_rates on exchange_rates.currency = opportunities.currency
