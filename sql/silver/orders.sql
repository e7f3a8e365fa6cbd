-- silver.orders: one row per web order, cancelled ones included.
select
    order_id,
    customer_id as web_customer_id,
    placed_at,
    local_date(placed_at) as placed_on,
    channel as device,
    status,
    status = 'cancelled' as is_cancelled,
    currency,
    shipping_amount
from silver.newest_orders
