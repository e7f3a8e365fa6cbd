-- silver.order_lines: one row per piece sold, with its category in English; cancelled orders are left out.
select
    order_items.order_id,
    order_items.item_no,
    order_items.product_id,
    order_items.seller_id,
    coalesce(category_names.category_english, products.category, 'unknown') as category,
    orders.customer_id,
    orders.state,
    orders.ordered_on,
    order_items.price_amount,
    order_items.freight_amount
from bronze.order_items
join silver.orders on orders.order_id = order_items.order_id
join bronze.products on products.product_id = order_items.product_id
left join bronze.category_names on category_names.category = products.category
where not orders.is_cancelled
