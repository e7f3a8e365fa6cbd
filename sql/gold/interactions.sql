-- gold.interactions: one row per touch between the company and somebody, whatever the channel, in one envelope.
-- Mails that were only delivered are left out: they are the company's doing, not the customer's.
with customer_ids as (
    select * from identity.customer_ids
),
purchases as (
    select
        'purchase:' || sale_id as interaction_id, customer_id, min(sold_at) as occurred_at, channel, 'purchase' as kind,
        sale_id as reference, cast(sum(sek_amount) as decimal(14,2)) as sek_amount
    from gold.sales
    group by sale_id, customer_id, channel
),
notes as (
    select
        'note:' || cast(interactions.interaction_id as varchar) as interaction_id, customer_ids.customer_id,
        interactions.occurred_at, interactions.channel, 'service' as kind, interactions.topic as reference,
        cast(null as decimal(14,2)) as sek_amount
    from bronze.crm_interactions as interactions
    left join customer_ids on customer_ids.source = 'crm' and customer_ids.source_id = interactions.customer_no
),
mails as (
    select
        'mail:' || cast(events.event_id as varchar) as interaction_id, email_ids.customer_id, events.occurred_at,
        'newsletter' as channel, 'mail_' || events.event as kind, events.campaign as reference,
        cast(null as decimal(14,2)) as sek_amount
    from bronze.newsletter_events as events
    left join identity.email_ids as email_ids
        on email_ids.email = coalesce(normalize_email(events.email), lower(trim(events.email)))
    where events.event <> 'delivered'
),
-- A visit is a day of one cookie: enough to see who comes, without every click.
visits as (
    select
        'visit:' || events.cookie_id || ':' || cast(cast(events.occurred_at at time zone 'Europe/Stockholm' as date) as varchar) as interaction_id,
        cookie_ids.customer_id, min(events.occurred_at) as occurred_at, 'web' as channel, 'visit' as kind,
        cast(count(*) as varchar) || ' events' as reference, cast(null as decimal(14,2)) as sek_amount
    from bronze.web_events as events
    left join identity.cookie_ids as cookie_ids on cookie_ids.cookie_id = events.cookie_id
    group by events.cookie_id, cast(events.occurred_at at time zone 'Europe/Stockholm' as date), cookie_ids.customer_id
),
deals as (
    select
        'deal:' || deal_id as interaction_id, customer_id, cast(opened_on as timestamp) as occurred_at, 'sales' as channel,
        'deal' as kind, deal_id as reference, cast(null as decimal(14,2)) as sek_amount
    from gold.deals
),
touches as (
    select * from purchases
    union all
    select * from notes
    union all
    select * from mails
    union all
    select * from visits
    union all
    select * from deals
)
select interaction_id, customer_id, occurred_at, channel, kind, reference, sek_amount
from touches
