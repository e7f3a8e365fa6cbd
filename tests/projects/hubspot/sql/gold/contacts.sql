-- gold.contacts: one row per contact that is still one of its own; those that became part of another are counted there.
with merged as (
    select contact_id as into_id, cast(unnest(string_split(merged_ids, ';')) as bigint) as contact_id
    from bronze.contacts
    where merged_ids is not null
),
counted as (
    select into_id, count(*) as merged_count from merged group by into_id
)
select
    contacts.contact_id,
    contacts.email,
    contacts.given_name,
    contacts.family_name,
    contacts.company_name,
    cast(contacts.created_at as date) as known_since_on,
    coalesce(counted.merged_count, 0) as merged_count
from bronze.contacts
left join counted on counted.into_id = contacts.contact_id
left join merged on merged.contact_id = contacts.contact_id
where not contacts.is_deleted and merged.contact_id is null
