-- gold.cost_to_serve: one row per customer, with what they bring in and what it costs to serve them.
-- Minutes of tickets are measured; a contact noted in the CRM counts the minutes of silver.service_rates.
with rates as (
    select * from silver.service_rates
),
tickets as (
    select customer_id, count(*) as tickets_count, cast(sum(handling_minutes) as bigint) as minutes
    from gold.tickets
    where customer_id is not null
    group by customer_id
),
contacts as (
    select
        interactions.customer_id, count(*) as contacts_count,
        cast(sum(case when interactions.channel in ('phone', 'store') then rates.minutes_per_talk
            else rates.minutes_per_message end) as bigint) as minutes
    from gold.interactions as interactions
    cross join rates
    where interactions.kind = 'service' and interactions.customer_id is not null
    group by interactions.customer_id
),
trade as (
    select
        customer_id,
        count(distinct sale_id) filter (where sek_amount < 0) as returns_count,
        cast(sum(sek_amount) as decimal(14,2)) as revenue_sek_amount
    from gold.sales
    where customer_id is not null
    group by customer_id
),
sums as (
    select
        customers.customer_id,
        coalesce(tickets.tickets_count, 0) as tickets_count,
        coalesce(contacts.contacts_count, 0) as contacts_count,
        coalesce(trade.returns_count, 0) as returns_count,
        coalesce(tickets.minutes, 0) + coalesce(contacts.minutes, 0) as service_minutes,
        coalesce(trade.revenue_sek_amount, 0.00) as revenue_sek_amount
    from gold.customers as customers
    left join tickets on tickets.customer_id = customers.customer_id
    left join contacts on contacts.customer_id = customers.customer_id
    left join trade on trade.customer_id = customers.customer_id
),
priced as (
    select
        sums.*,
        cast(sums.service_minutes * rates.sek_per_minute + sums.returns_count * rates.sek_per_return as decimal(14,2))
            as cost_sek_amount,
        cast(sums.revenue_sek_amount * rates.margin_share as decimal(14,2)) as margin_sek_amount
    from sums
    cross join rates
)
select
    customer_id,
    tickets_count,
    contacts_count,
    returns_count,
    service_minutes,
    revenue_sek_amount,
    margin_sek_amount,
    cost_sek_amount,
    cast(margin_sek_amount - cost_sek_amount as decimal(14,2)) as left_sek_amount
from priced
