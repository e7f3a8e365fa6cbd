-- gold.contact_lists: one row per list, with who is on it now.
select
    lists.list_id,
    lists.type,
    count(members.contact_id) filter (where not members.is_deleted) as members_count,
    count(members.contact_id) filter (where members.is_deleted) as left_count
from bronze.contact_lists as lists
left join bronze.contact_list_members as members on members.list_id = lists.list_id
where not lists.is_deleted
group by lists.list_id, lists.type
