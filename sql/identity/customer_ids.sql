-- identity.customer_ids: one row per record, with the customer behind it.
-- Connected components of identity.record_links: every record takes the eldest record that reaches it, and that
-- record's hash is the customer's id. New records are younger, so they join a customer without renaming it; an eldest
-- record that disappears does rename. Ids that survive this too come with the matcher.
with recursive people as (
    select source, source_id, record_id, cast(known_since_on as varchar) || ' ' || record_id as age from silver.people
),
links as (
    select
        cast(known_since_on as varchar) || ' ' || record_id as younger,
        cast(elder_known_since_on as varchar) || ' ' || elder_id as elder
    from identity.record_links
),
neighbours as (
    select younger as one, elder as other from links
    union
    select elder as one, younger as other from links
),
-- Only elder records travel on, so the walk ends after as many rounds as the longest chain has links.
reach as (
    select one as age, one as eldest from neighbours
    union
    select neighbours.other as age, reach.eldest
    from reach
    join neighbours on neighbours.one = reach.age
    where reach.eldest < neighbours.other
),
components as (
    select age, min(eldest) as eldest from reach group by age
)
select
    people.record_id,
    people.source,
    people.source_id,
    'c_' || substr(md5(substr(coalesce(components.eldest, people.age), 12)), 1, 16) as customer_id
from people
left join components on components.age = people.age
