-- silver.product_xwalk: one row per till article that is a product, with its number in ERP and web shop.
-- A decision of ref.product_overrides wins over every rule, the package's number over the name, the same price over another.
-- What still fits several products stays out and is listed in silver.product_conflicts.
with overrides as (
    -- One that names a product which the ERP no longer has decides nothing; the test of ref.product_overrides warns of it.
    select overrides.article_no, overrides.sku
    from ref.product_overrides as overrides
    join bronze.pos_articles as articles on articles.article_no = overrides.article_no
    left join bronze.erp_products as products on products.sku = overrides.sku
    where overrides.sku is null or products.sku is not null
),
ranked as (
    select
        article_no, sku, rule,
        rank() over (
            partition by article_no
            order by case rule when 'ean' then 1 else 2 end, case when has_same_price then 1 else 2 end) as place
    from silver.product_names
),
best as (
    select article_no, min(sku) as sku, min(rule) as rule
    from ranked
    where place = 1
    group by article_no
    having count(distinct sku) = 1
),
undecided as (
    select best.*
    from best
    left join overrides on overrides.article_no = best.article_no
    where overrides.article_no is null
)
select article_no, sku, 'override' as rule
from overrides
where sku is not null
union all
select article_no, sku, rule
from undecided
