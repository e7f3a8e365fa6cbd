-- identity.contact_ids: one row per e-mail address or phone number that one customer alone uses.
-- A contact that two customers share, such as a household's phone, names neither of them.
with people as (
    select people.email, people.phone, customer_ids.customer_id
    from silver.people as people
    join identity.customer_ids as customer_ids
        on customer_ids.source = people.source and customer_ids.source_id = people.source_id
),
contacts as (
    select email as contact, 'email' as kind, customer_id from people where email is not null
    union all
    select phone, 'phone', customer_id from people where phone is not null
)
select contact, min(kind) as kind, min(customer_id) as customer_id
from contacts
group by contact
having count(distinct customer_id) = 1
