-- gold.orders: one row per order: what was bought, what was paid, when it came and what the buyer said.
with goods as (
    select
        order_id,
        count(*) as items_count,
        sum(price_amount) as goods_amount,
        sum(freight_amount) as freight_amount
    from bronze.order_items
    group by order_id
),
paid as (
    select order_id, sum(amount) as paid_amount from bronze.payments group by order_id
)
select
    orders.order_id,
    orders.customer_id,
    orders.state,
    orders.status,
    orders.is_cancelled,
    orders.ordered_on,
    orders.delivered_on,
    orders.promised_on,
    orders.days_to_deliver,
    orders.is_late,
    coalesce(goods.items_count, 0) as items_count,
    cast(coalesce(goods.goods_amount, 0.00) as decimal(14,2)) as goods_amount,
    cast(coalesce(goods.freight_amount, 0.00) as decimal(14,2)) as freight_amount,
    cast(coalesce(paid.paid_amount, 0.00) as decimal(14,2)) as paid_amount,
    reviews.score as review_score
from silver.orders as orders
left join goods on goods.order_id = orders.order_id
left join paid on paid.order_id = orders.order_id
left join silver.reviews as reviews on reviews.order_id = orders.order_id
