-- gold.interactions: one row per touch between the company and somebody, whatever the channel, in one envelope.
-- Mails that were only delivered are left out: they are the company's doing, not the customer's.
with customer_ids as (
    select * from identity.customer_ids
),
contact_ids as (
    select * from identity.contact_ids
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
        'note:' || cast(notes.interaction_id as varchar) as interaction_id, customer_ids.customer_id, notes.occurred_at,
        notes.channel, 'service' as kind, notes.topic as reference, cast(null as decimal(14,2)) as sek_amount
    from bronze.crm_interactions as notes
    left join customer_ids on customer_ids.source = 'crm' and customer_ids.source_id = notes.customer_no
),
mails as (
    select
        'mail:' || cast(events.event_id as varchar) as interaction_id, customer_ids.customer_id, events.occurred_at,
        'newsletter' as channel, 'mail_' || events.event as kind, events.campaign as reference,
        cast(null as decimal(14,2)) as sek_amount
    from bronze.newsletter_events as events
    left join customer_ids on customer_ids.source = 'newsletter' and customer_ids.source_id = events.email
    where events.event <> 'delivered'
),
-- A visit is a day of one cookie: enough to see who comes, without every click.
visits as (
    select
        'visit:' || events.cookie_id || ':' || cast(local_date(events.occurred_at) as varchar) as interaction_id,
        cookie_ids.customer_id, min(events.occurred_at) as occurred_at, 'web' as channel, 'visit' as kind,
        cast(count(*) as varchar) || ' events' as reference, cast(null as decimal(14,2)) as sek_amount
    from bronze.web_events as events
    left join identity.cookie_ids as cookie_ids on cookie_ids.cookie_id = events.cookie_id
    group by events.cookie_id, local_date(events.occurred_at), cookie_ids.customer_id
),
deals as (
    select
        'deal:' || deal_id as interaction_id, customer_id, to_utc(cast(opened_on as timestamp), 'Europe/Stockholm') as occurred_at,
        'sales' as channel, 'deal' as kind, deal_id as reference, cast(null as decimal(14,2)) as sek_amount
    from gold.deals
),
tickets as (
    select
        'ticket:' || ticket_id as interaction_id, customer_id, opened_at as occurred_at, 'service_desk' as channel,
        'ticket' as kind, category as reference, cast(null as decimal(14,2)) as sek_amount
    from gold.tickets
),
answers as (
    select
        'answer:' || answers.response_id as interaction_id, contact_ids.customer_id, answers.answered_at as occurred_at,
        'survey' as channel, 'survey' as kind, cast(answers.score as varchar) as reference,
        cast(null as decimal(14,2)) as sek_amount
    from silver.nps_answers as answers
    left join contact_ids on contact_ids.contact = answers.email
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
    union all
    select * from tickets
    union all
    select * from answers
)
select interaction_id, customer_id, occurred_at, channel, kind, reference, sek_amount
from touches
