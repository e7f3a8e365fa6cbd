-- gold.customers: one row per person, however many records the shop made of them. Cancelled orders are not counted.
with bought as (
    select
        customer_id,
        count(*) as orders_count,
        min(ordered_on) as first_order_on,
        max(ordered_on) as last_order_on,
        cast(sum(goods_amount + freight_amount) as decimal(14,2)) as spent_amount,
        avg(cast(review_score as double)) as average_score
    from gold.orders
    where not is_cancelled
    group by customer_id
),
people as (
    -- where somebody moved, the address of the newest order holds
    select customers.person_id as customer_id, customers.zip_prefix, customers.city, customers.state
    from bronze.customers
    join bronze.orders on orders.customer_id = customers.customer_id
    qualify row_number() over (partition by customers.person_id order by orders.ordered_at desc, orders.order_id) = 1
)
select
    people.customer_id,
    people.zip_prefix,
    people.city,
    people.state,
    coalesce(bought.orders_count, 0) as orders_count,
    bought.first_order_on,
    bought.last_order_on,
    coalesce(bought.spent_amount, 0.00) as spent_amount,
    bought.average_score
from people
left join bought on bought.customer_id = people.customer_id
