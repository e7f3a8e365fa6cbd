-- gold.voices: one row per text of a customer or about one, and theme that it speaks of; `other` where no word is known.
with words as (
    select * from ref.theme_words
),
customers as (
    select source_id as customer_no, customer_id from identity.customer_ids where source = 'crm'
),
tickets as (
    select
        'ticket:' || tickets.ticket_id as voice_id, 'ticket' as source, tickets.opened_on as said_on, owners.customer_id,
        concat_ws(' ', tickets.subject, tickets.body) as text
    from silver.tickets as tickets
    left join gold.tickets as owners on owners.ticket_id = tickets.ticket_id
),
answers as (
    select
        'answer:' || answers.response_id as voice_id, 'survey' as source, answers.answered_on as said_on,
        contact_ids.customer_id, answers.comment as text
    from silver.nps_answers as answers
    left join identity.contact_ids as contact_ids on contact_ids.contact = answers.email
    where answers.comment is not null
),
notes as (
    select
        'note:' || cast(notes.interaction_id as varchar) as voice_id, 'note' as source,
        local_date(notes.occurred_at) as said_on, customers.customer_id, notes.note as text
    from bronze.crm_interactions as notes
    left join customers on customers.customer_no = notes.customer_no
    where notes.note is not null
),
voices as (
    select * from tickets
    union all
    select * from answers
    union all
    select * from notes
),
themes as (
    select distinct voices.voice_id, words.theme
    from voices
    join words on strpos(lower(voices.text), words.word) > 0
)
select
    voices.voice_id,
    coalesce(themes.theme, 'other') as theme,
    voices.source,
    voices.said_on,
    voices.customer_id,
    voices.text
from voices
left join themes on themes.voice_id = voices.voice_id
