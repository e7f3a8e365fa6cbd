-- silver.orders: one row per order, with the person who placed it and how its delivery kept the promise.
-- An order is on time when it arrives on the promised day or before; what has not arrived is neither early nor late.
with days as (
    select
        order_id,
        cast(ordered_at at time zone 'America/Sao_Paulo' as date) as ordered_on,
        cast(delivered_at at time zone 'America/Sao_Paulo' as date) as delivered_on
    from bronze.orders
)
select
    orders.order_id,
    customers.person_id as customer_id,
    customers.state,
    orders.status,
    orders.status in ('canceled', 'unavailable') as is_cancelled,
    orders.ordered_at,
    days.ordered_on,
    days.delivered_on,
    orders.promised_on,
    days.delivered_on - days.ordered_on as days_to_deliver,
    days.delivered_on > orders.promised_on as is_late
from bronze.orders
join days on days.order_id = orders.order_id
join bronze.customers on customers.customer_id = orders.customer_id
