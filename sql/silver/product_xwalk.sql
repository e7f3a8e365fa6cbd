-- silver.product_xwalk: one row per till article that is a product, with its number in ERP and web shop.
-- The package's number wins over the name, the same price over another; what still fits several products stays out and is
-- listed in silver.product_conflicts.
with ranked as (
    select
        article_no, sku, rule,
        rank() over (
            partition by article_no
            order by case rule when 'ean' then 1 else 2 end, case when has_same_price then 1 else 2 end) as place
    from silver.product_names
),
best as (
    select article_no, min(sku) as sku, min(rule) as rule, count(distinct sku) as products_count
    from ranked
    where place = 1
    group by article_no
)
select article_no, sku, rule
from best
where products_count = 1
