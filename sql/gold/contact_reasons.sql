-- gold.contact_reasons: one row per month, reason and mail that went before, with the contacts it brought.
-- A contact is tied to the newest mail that reached the same customer in the three days before; `none` where no mail did.
with topics as (
    select * from ref.contact_topics
),
subscribers as (
    select source_id as email, customer_id from identity.customer_ids where source = 'newsletter'
),
tickets as (
    select
        'ticket:' || ticket_id as contact_id, customer_id, opened_at as occurred_at, category as reason,
        cast(handling_minutes as bigint) as minutes
    from gold.tickets
),
notes as (
    select
        interactions.interaction_id as contact_id, interactions.customer_id, interactions.occurred_at,
        coalesce(topics.reason, 'other') as reason, cast(null as bigint) as minutes
    from gold.interactions as interactions
    left join topics on topics.topic = interactions.reference
    where interactions.kind = 'service'
),
contacts as (
    select * from tickets
    union all
    select * from notes
),
mails as (
    select subscribers.customer_id, events.campaign, events.occurred_at, events.event_id
    from bronze.newsletter_events as events
    join subscribers on subscribers.email = events.email
    where events.event = 'delivered'
),
ranked as (
    select
        contacts.contact_id, mails.campaign,
        row_number() over (
            partition by contacts.contact_id order by mails.occurred_at desc, mails.event_id desc) as recency
    from contacts
    join mails
        on mails.customer_id = contacts.customer_id
        and mails.occurred_at <= contacts.occurred_at
        and mails.occurred_at > contacts.occurred_at - interval '3 days'
),
tied as (
    select contact_id, campaign from ranked where recency = 1
),
reasons as (
    select
        month_of(local_date(contacts.occurred_at)) as month_on, contacts.reason, coalesce(tied.campaign, 'none') as campaign,
        contacts.customer_id, contacts.minutes
    from contacts
    left join tied on tied.contact_id = contacts.contact_id
)
select
    month_on,
    reason,
    campaign,
    count(*) as contacts_count,
    count(distinct customer_id) as customers_count,
    coalesce(sum(minutes), 0) as minutes
from reasons
group by month_on, reason, campaign
