-- silver.product_conflicts: one row per article or product on which the departments do not agree, and how.
with xwalk as (
    select * from silver.product_xwalk
),
articles as (
    select article_no, trim(article_text) as article_text, price from bronze.pos_articles where group_no <> 999
),
-- One product under several numbers of the tills.
several_articles as (
    select
        'several_articles' as conflict, sku, min(article_no) as article_no,
        cast(count(*) as varchar) || ' article numbers for one product' as detail
    from xwalk
    group by sku
    having count(*) > 1
),
-- One name of the tills that fits several products.
several_products as (
    select
        'several_products' as conflict, cast(null as varchar) as sku, names.article_no,
        cast(count(distinct names.sku) as varchar) || ' products with this name' as detail
    from silver.product_names as names
    left join xwalk on xwalk.article_no = names.article_no
    where xwalk.article_no is null
    group by names.article_no
),
unknown_articles as (
    select 'unknown_article' as conflict, cast(null as varchar) as sku, articles.article_no, 'no product has its number or name' as detail
    from articles
    left join silver.product_names as names on names.article_no = articles.article_no
    where names.article_no is null
),
other_prices as (
    select
        'other_price' as conflict, xwalk.sku, xwalk.article_no,
        cast(articles.price as varchar) || ' at the tills, ' || cast(products.list_price as varchar) || ' in the ERP' as detail
    from xwalk
    join articles on articles.article_no = xwalk.article_no
    join bronze.erp_products as products on products.sku = xwalk.sku
    where articles.price <> products.list_price
),
conflicts as (
    select * from several_articles
    union all
    select * from several_products
    union all
    select * from unknown_articles
    union all
    select * from other_prices
)
select conflict, article_no, sku, detail from conflicts
