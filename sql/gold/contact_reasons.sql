-- gold.contact_reasons: one row per month, reason and mail that went before, with the contacts it brought.
-- A contact is tied to the newest mail that reached the same customer in the three days before; `none` where no mail did.
with contacts as (
    select
        'ticket:' || ticket_id as contact_id, customer_id, opened_at as occurred_at, category as reason,
        cast(handling_minutes as bigint) as minutes
    from gold.tickets
    union all
    select
        interaction_id, customer_id, occurred_at,
        case reference
            when 'leverans' then 'delivery'
            when 'retur' then 'return'
            when 'faktura' then 'payment'
            when 'produktfråga' then 'product'
            when 'klubb' then 'loyalty'
            when 'klagomål' then 'complaint'
            when 'offert' then 'quote'
            else 'other'
        end,
        null
    from gold.interactions
    where kind = 'service'
),
mails as (
    select email_ids.customer_id, events.campaign, events.occurred_at, events.event_id
    from bronze.newsletter_events as events
    join identity.email_ids as email_ids on email_ids.email = normalize_email(events.email)
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
)
select
    cast(date_trunc('month', contacts.occurred_at at time zone 'Europe/Stockholm') as date) as month_on,
    contacts.reason,
    coalesce(tied.campaign, 'none') as campaign,
    count(*) as contacts_count,
    count(distinct contacts.customer_id) as customers_count,
    cast(coalesce(sum(contacts.minutes), 0) as bigint) as minutes
from contacts
left join tied on tied.contact_id = contacts.contact_id
group by 1, 2, 3
