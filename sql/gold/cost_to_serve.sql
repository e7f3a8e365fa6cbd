-- gold.cost_to_serve: one row per customer, with what they bring in and what it costs to serve them.
-- Minutes of tickets are measured; contacts and returns take those of ref.service_rates.
with rates as (
    select * from ref.service_rates
),
tickets as (
    select customer_id, 'ticket' as service, cast(handling_minutes as bigint) as minutes from gold.tickets
),
contacts as (
    select customer_id, channel as service, cast(null as bigint) as minutes from gold.interactions where kind = 'service'
),
returns as (
    select customer_id, 'return' as service, cast(null as bigint) as minutes
    from gold.sales
    where sek_amount < 0
    group by customer_id, sale_id
),
services as (
    select * from tickets
    union all
    select * from contacts
    union all
    select * from returns
),
priced as (
    select
        services.customer_id, services.service, coalesce(services.minutes, rates.minutes_each) as minutes,
        coalesce(services.minutes, rates.minutes_each) * rates.sek_per_minute + rates.sek_each as sek_amount
    from services
    left join rates on rates.service = services.service
    where services.customer_id is not null
),
served as (
    select
        customer_id,
        count(*) filter (where service = 'ticket') as tickets_count,
        count(*) filter (where service not in ('ticket', 'return')) as contacts_count,
        count(*) filter (where service = 'return') as returns_count,
        sum(minutes) as service_minutes,
        cast(sum(sek_amount) as decimal(14,2)) as cost_sek_amount
    from priced
    group by customer_id
),
trade as (
    select customer_id, cast(sum(sek_amount) as decimal(14,2)) as revenue_sek_amount
    from gold.sales
    where customer_id is not null
    group by customer_id
),
sums as (
    select
        customers.customer_id,
        coalesce(served.tickets_count, 0) as tickets_count,
        coalesce(served.contacts_count, 0) as contacts_count,
        coalesce(served.returns_count, 0) as returns_count,
        coalesce(served.service_minutes, 0) as service_minutes,
        coalesce(trade.revenue_sek_amount, 0.00) as revenue_sek_amount,
        cast(coalesce(trade.revenue_sek_amount, 0.00) * cast($margin_share as decimal(5,4)) as decimal(14,2)) as margin_sek_amount,
        coalesce(served.cost_sek_amount, 0.00) as cost_sek_amount
    from gold.customers as customers
    left join served on served.customer_id = customers.customer_id
    left join trade on trade.customer_id = customers.customer_id
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
from sums
