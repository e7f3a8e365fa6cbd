-- gold.tickets: one row per ticket of the service desk, with the customer who wrote it where that is certain.
-- The order that a ticket speaks of names its customer best; else the e-mail, then the phone, if one customer alone uses it.
with tickets as (
    select * from silver.tickets
),
contact_ids as (
    select * from identity.contact_ids
),
by_order as (
    select orders.order_id, customer_ids.customer_id
    from silver.orders as orders
    join identity.customer_ids as customer_ids
        on customer_ids.source = 'webshop' and customer_ids.source_id = cast(orders.web_customer_id as varchar)
)
select
    tickets.ticket_id,
    coalesce(by_order.customer_id, by_email.customer_id, by_phone.customer_id) as customer_id,
    case
        when by_order.customer_id is not null then 'order'
        when by_email.customer_id is not null then 'email'
        when by_phone.customer_id is not null then 'phone'
    end as found_by,
    tickets.category,
    tickets.priority,
    tickets.order_id,
    tickets.opened_at,
    tickets.opened_on,
    tickets.closed_at,
    tickets.closed_at is not null as is_closed,
    tickets.handling_minutes,
    tickets.satisfaction
from tickets
left join by_order on by_order.order_id = tickets.order_id
left join contact_ids as by_email on by_email.contact = tickets.email
left join contact_ids as by_phone on by_phone.contact = tickets.phone
