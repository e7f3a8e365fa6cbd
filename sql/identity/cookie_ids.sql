-- identity.cookie_ids: one row per cookie that one customer alone was seen with.
-- A cookie is known by the account that logged in with it. One that several customers used belongs to a household's
-- device, and to nobody alone.
with logins as (
    select
        events.cookie_id, customer_ids.customer_id,
        min(events.occurred_at) as first_seen_at, count(*) as events_count
    from bronze.web_events as events
    join identity.customer_ids as customer_ids
        on customer_ids.source = 'webshop' and customer_ids.source_id = cast(events.customer_id as varchar)
    group by events.cookie_id, customer_ids.customer_id
)
select
    cookie_id,
    min(customer_id) as customer_id,
    min(first_seen_at) as known_since_at,
    cast(sum(events_count) as bigint) as logged_in_events_count
from logins
group by cookie_id
having count(*) = 1
