-- gold.voices: one row per text of a customer or about one, and theme that it speaks of; `other` where no word is known.
with texts as (
    select
        'ticket:' || ticket_id as voice_id, 'ticket' as source, opened_on as said_on, email,
        cast(null as varchar) as customer_no, concat_ws(' ', subject, body) as text
    from silver.tickets
    union all
    select 'answer:' || response_id, 'survey', answered_on, email, null, comment
    from silver.nps_answers
    where comment is not null
    union all
    select
        'note:' || cast(interaction_id as varchar), 'note',
        cast(occurred_at at time zone 'Europe/Stockholm' as date), null, customer_no, note
    from bronze.crm_interactions
    where note is not null
),
voices as (
    select
        texts.voice_id, texts.source, texts.said_on, texts.text, lower(texts.text) as lowered,
        coalesce(customer_ids.customer_id, email_ids.customer_id) as customer_id
    from texts
    left join identity.email_ids as email_ids on email_ids.email = texts.email
    left join identity.customer_ids as customer_ids
        on customer_ids.source = 'crm' and customer_ids.source_id = texts.customer_no
),
themes as (
    select distinct voices.voice_id, words.theme
    from voices
    join silver.theme_words as words on strpos(voices.lowered, words.word) > 0
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
