-- silver.tickets: one row per ticket of the service desk, with the contacts that it came from in one form.
-- The desk writes numbers as it hears them; one without a country code is read as Swedish, as in the consent log.
select
    ticket_id,
    case when not is_placeholder_email(email) then normalize_email(email) end as email,
    case when not is_placeholder_phone(phone) then normalize_phone(phone, 'SE') end as phone,
    subject,
    body,
    category,
    priority,
    order_id,
    handling_minutes,
    opened_at,
    local_date(opened_at) as opened_on,
    closed_at,
    satisfaction
from bronze.tickets
