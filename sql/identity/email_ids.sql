-- identity.email_ids: one row per e-mail address that one customer alone uses.
-- An address that two customers share names neither of them.
with addresses as (
    select people.email, customer_ids.customer_id
    from silver.people as people
    join identity.customer_ids as customer_ids on customer_ids.record_id = people.record_id
    where people.email is not null
)
select email, min(customer_id) as customer_id
from addresses
group by email
having count(distinct customer_id) = 1
