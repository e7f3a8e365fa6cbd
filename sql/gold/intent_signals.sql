-- gold.intent_signals: one row per customer and category that they looked at on the web, with how warm the interest is.
-- Each event counts by what it shows, and half as much with every week that passes. A purchase is no intent: it ends one.
with products as (
    select sku, category from bronze.erp_products
),
categories as (
    select distinct category, translate(lower(category), 'åäöéøæ', 'aaoeoa') as slug from products
),
events as (
    select
        cookie_ids.customer_id, events.event_type, events.occurred_at, events.page,
        case events.event_type when 'add_to_cart' then 3.0 when 'product_view' then 1.0 else 0.5 end as weight,
        (epoch($as_of) - epoch(events.occurred_at)) / 86400.0 as age_days
    from bronze.web_events as events
    join identity.cookie_ids as cookie_ids on cookie_ids.cookie_id = events.cookie_id
    where events.event_type in ('page_view', 'product_view', 'add_to_cart') and events.occurred_at < $as_of
),
looks as (
    select
        events.customer_id, events.event_type, events.occurred_at, events.weight, events.age_days,
        coalesce(products.category, categories.category) as category
    from events
    left join products on events.page = '/produkt/' || products.sku
    left join categories on events.page = '/kategori/' || categories.slug
)
select
    customer_id,
    category,
    round(sum(weight * exp(-ln(2.0) * age_days / 7.0)), 6) as score,
    count(*) as events_count,
    count(*) filter (where event_type = 'add_to_cart') as carts_count,
    max(occurred_at) as last_seen_at
from looks
where category is not null
group by customer_id, category
