-- silver.product_conflicts: one row per article or product on which the departments do not agree, and how.
-- Whoever decides one writes it into ref.product_overrides, and it is gone from here with the next build.
with xwalk as (
    select * from silver.product_xwalk
),
products as (
    select * from bronze.erp_products
),
articles as (
    select article_no, price from bronze.pos_articles where group_no <> 999
),
-- Articles that neither a rule nor a person has tied to a product, nor called none.
open_articles as (
    select articles.article_no
    from articles
    left join xwalk on xwalk.article_no = articles.article_no
    left join ref.product_overrides as overrides on overrides.article_no = articles.article_no
    where xwalk.article_no is null and overrides.article_no is null
),
-- One product under several numbers of the tills.
several_articles as (
    select
        'several_articles' as conflict, min(article_no) as article_no, sku,
        cast(count(*) as varchar) || ' article numbers for one product' as detail
    from xwalk
    group by sku
    having count(*) > 1
),
-- One article whose name fits several products, or none.
unclear_articles as (
    select
        case when count(names.sku) = 0 then 'unknown_article' else 'several_products' end as conflict,
        open_articles.article_no,
        cast(null as varchar) as sku,
        case
            when count(names.sku) = 0 then 'no product has its number or name'
            else cast(count(distinct names.sku) as varchar) || ' products with this name'
        end as detail
    from open_articles
    left join silver.product_names as names on names.article_no = open_articles.article_no
    group by open_articles.article_no
),
other_prices as (
    select
        'other_price' as conflict, xwalk.article_no, xwalk.sku,
        cast(articles.price as varchar) || ' at the tills, ' || cast(products.list_price as varchar) || ' in the ERP' as detail
    from xwalk
    join articles on articles.article_no = xwalk.article_no
    join products on products.sku = xwalk.sku
    where articles.price <> products.list_price
)
select conflict, article_no, sku, detail from several_articles
union all
select conflict, article_no, sku, detail from unclear_articles
union all
select conflict, article_no, sku, detail from other_prices
