-- silver.newest_orders: one row per web order, as its newest export has it.
-- An order comes again when its status changes; within one export the later status wins, then the later line.
with orders as (
    select *, case status when 'paid' then 1 when 'shipped' then 2 when 'cancelled' then 3 end as progress
    from bronze.web_orders
),
ranked as (
    select *, row_number() over (
        partition by order_id order by exported_on desc, progress desc, _kilde_source_row desc) as recency
    from orders
)
select order_id, customer_id, placed_at, currency, channel, lines, shipping_amount, status
from ranked
where recency = 1
