-- silver.product_names: one row per way in which a till article may be an ERP product.
-- By number where the article number is the package's; by name where the stores made a number of their own: tills print
-- the first 20 characters in capitals and shorten `2-pack` to `2P`, so a name may fit several products, and then the price
-- decides between them.
with articles as (
    select article_no, trim(article_text) as article_text, price
    from bronze.pos_articles
    where group_no <> 999
),
products as (
    select sku, ean, trim(substr(upper(replace(name, '-pack', 'P')), 1, 20)) as till_text, list_price
    from bronze.erp_products
),
by_number as (
    select articles.article_no, products.sku, 'ean' as rule, articles.price = products.list_price as has_same_price
    from articles
    join products on products.ean = articles.article_no
),
by_name as (
    select articles.article_no, products.sku, 'name' as rule, articles.price = products.list_price as has_same_price
    from articles
    join products on products.till_text = articles.article_text
)
select article_no, sku, rule, has_same_price from by_number
union all
select article_no, sku, rule, has_same_price from by_name
