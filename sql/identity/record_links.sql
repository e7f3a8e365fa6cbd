-- identity.record_links: one row per record and rule that ties it to the elder record with the same key.
-- All records of a key point at its eldest: n - 1 links instead of n², and the same people connected.
-- Deterministic rules, each exact on two things that people seldom share; a step that weighs evidence can take this one's
-- place, and reads silver.people as this does.
with people as (
    -- A company has no given name; its own stands in.
    select
        record_id, known_since_on, country, national_id, email, phone, given_key, family_key, birth_date,
        coalesce(given_key, family_key) as name_key
    from silver.people
),
-- Addresses that one name alone is known by, and a record without a name: those of a couple name neither of them.
sole_emails as (
    select email
    from people
    where email is not null
    group by email
    having count(distinct name_key) = 1 and count(*) > count(name_key)
),
keys as (
    select record_id, known_since_on, 'national_id' as rule, country || ' ' || national_id as key
    from people
    where national_id is not null
    union all
    select record_id, known_since_on, 'email_and_name', email || ' ' || name_key
    from people
    where email is not null and name_key is not null
    union all
    select record_id, known_since_on, 'phone_and_name', phone || ' ' || name_key
    from people
    where phone is not null and name_key is not null
    union all
    select record_id, known_since_on, 'email_and_birth_date', email || ' ' || cast(birth_date as varchar)
    from people
    where email is not null and birth_date is not null
    union all
    select
        record_id, known_since_on, 'name_and_birth_date', given_key || ' ' || family_key || ' ' || cast(birth_date as varchar)
    from people
    where given_key is not null and family_key is not null and birth_date is not null
    union all
    -- Subscribers of the newsletter have no name: their address must do.
    select people.record_id, people.known_since_on, 'sole_email', people.email
    from people
    join sole_emails on sole_emails.email = people.email
),
ranked as (
    select
        record_id, rule, known_since_on,
        first_value(record_id) over by_age as elder_id,
        first_value(known_since_on) over by_age as elder_known_since_on
    from keys
    window by_age as (partition by rule, key order by known_since_on, record_id)
)
select record_id, rule, elder_id, known_since_on, elder_known_since_on
from ranked
where record_id <> elder_id
