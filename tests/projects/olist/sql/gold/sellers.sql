-- gold.sellers: one row per seller: what they sold, how often it came late, and what buyers said of it.
-- An order of two sellers counts for both: nobody knows whom the review means.
with sold as (
    select
        seller_id,
        order_id,
        count(*) as items_count,
        sum(price_amount) as goods_amount
    from silver.order_lines
    group by seller_id, order_id
),
totals as (
    select
        sold.seller_id,
        count(*) as orders_count,
        cast(sum(sold.items_count) as bigint) as items_count,
        cast(sum(sold.goods_amount) as decimal(14,2)) as goods_amount,
        count(orders.is_late) as delivered_count,
        count(*) filter (where orders.is_late) as late_count,
        count(reviews.score) as reviews_count,
        avg(cast(reviews.score as double)) as average_score
    from sold
    join silver.orders as orders on orders.order_id = sold.order_id
    left join silver.reviews as reviews on reviews.order_id = sold.order_id
    group by sold.seller_id
)
select
    sellers.seller_id,
    sellers.state,
    zip_codes.latitude,
    zip_codes.longitude,
    coalesce(totals.orders_count, 0) as orders_count,
    coalesce(totals.items_count, 0) as items_count,
    coalesce(totals.goods_amount, 0.00) as goods_amount,
    coalesce(totals.delivered_count, 0) as delivered_count,
    coalesce(totals.late_count, 0) as late_count,
    coalesce(totals.reviews_count, 0) as reviews_count,
    totals.average_score
from bronze.sellers
left join totals on totals.seller_id = sellers.seller_id
left join silver.zip_codes on zip_codes.zip_prefix = sellers.zip_prefix and zip_codes.state = sellers.state
