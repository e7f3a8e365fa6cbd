-- gold.sales: one row per month and state: what was sold there. Cancelled orders are left out.
select
    cast(date_trunc('month', ordered_on) as date) as month_on,
    state,
    count(distinct order_id) as orders_count,
    count(*) as items_count,
    count(distinct customer_id) as customers_count,
    cast(sum(price_amount) as decimal(14,2)) as goods_amount,
    cast(sum(freight_amount) as decimal(14,2)) as freight_amount
from silver.order_lines
group by 1, 2
