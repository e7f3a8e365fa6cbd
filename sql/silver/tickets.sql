-- silver.tickets: one row per ticket of the service desk, with the contact that it came from in one form.
select
    ticket_id,
    normalize_email(email) as email,
    subject,
    body,
    category,
    priority,
    order_id,
    handling_minutes,
    opened_at,
    cast(opened_at at time zone 'Europe/Stockholm' as date) as opened_on,
    closed_at,
    satisfaction
from bronze.tickets
