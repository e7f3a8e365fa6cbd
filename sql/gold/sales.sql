-- gold.sales: one row per sold line, web and stores; shipping is line 0 of a web order.
-- Cancelled orders bring no revenue and are left out; receipts that take something back stay, with negative amounts.
with orders as (
    select * from silver.orders where not is_cancelled
),
customer_ids as (
    select * from identity.customer_ids
),
xwalk as (
    select * from silver.product_xwalk
),
rates as (
    select * from ref.exchange_rates
),
web_lines as (
    select
        order_id, line_no, 'goods' as kind, sku, cast(quantity as decimal(12,3)) as quantity, line_amount
    from silver.order_lines
    union all
    select order_id, cast(0 as integer), 'shipping', null, 1.000, shipping_amount
    from orders
    where shipping_amount <> 0
),
web as (
    select
        orders.order_id as sale_id, web_lines.line_no, 'web' as channel, web_lines.kind, orders.placed_at as sold_at,
        orders.placed_on as sold_on, customer_ids.customer_id, cast(null as varchar) as store_id,
        web_lines.sku as product_no, web_lines.sku, web_lines.quantity, orders.currency, web_lines.line_amount
    from orders
    join web_lines on web_lines.order_id = orders.order_id
    left join customer_ids
        on customer_ids.source = 'webshop' and customer_ids.source_id = cast(orders.web_customer_id as varchar)
),
stores as (
    select
        receipt_lines.receipt_id as sale_id, receipt_lines.line_no, 'store' as channel, 'goods' as kind,
        receipt_lines.sold_at, receipt_lines.sold_on, customer_ids.customer_id, receipt_lines.store_id,
        receipt_lines.article_no as product_no, xwalk.sku, receipt_lines.quantity, receipt_lines.currency,
        receipt_lines.line_amount
    from silver.receipt_lines as receipt_lines
    left join xwalk on xwalk.article_no = receipt_lines.article_no
    left join customer_ids on customer_ids.source = 'loyalty' and customer_ids.source_id = receipt_lines.card_no
),
sold as (
    select * from web
    union all
    select * from stores
)
select
    sold.sale_id,
    sold.line_no,
    sold.channel,
    sold.kind,
    sold.sold_at,
    sold.sold_on,
    sold.customer_id,
    sold.store_id,
    sold.product_no,
    sold.sku,
    sold.quantity,
    sold.currency,
    cast(sold.line_amount as decimal(14,2)) as amount,
    cast(sold.line_amount * rates.sek_per_unit as decimal(14,2)) as sek_amount
from sold
left join rates on rates.currency = sold.currency
