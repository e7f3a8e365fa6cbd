-- silver.order_lines: one row per line of a web order, numbered as in the export.
with numbered as (
    select
        order_id, currency,
        unnest(lines) as line,
        unnest(range(1, cast(array_length(lines) as bigint) + 1)) as line_no
    from silver.newest_orders
)
select
    order_id,
    cast(line_no as integer) as line_no,
    line['sku'] as sku,
    line['quantity'] as quantity,
    currency,
    line['unit_price'] as unit_price_amount,
    coalesce(line['discount'], 0.00) as discount_amount,
    cast(line['quantity'] * line['unit_price'] - coalesce(line['discount'], 0.00) as decimal(14,2)) as line_amount
from numbered
