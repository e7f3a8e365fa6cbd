-- silver.engagements: one row per engagement: calls, messages, mails, meetings, notes and tasks in one list.
-- Some meetings lie in January 1970: seconds were taken for milliseconds. When they took place is not known.
with engagements as (
    select engagement_id, 'call' as kind, happened_at, cast(null as bigint) as owner_id, cast(null as varchar) as title
    from bronze.calls where not is_deleted
    union all
    select engagement_id, 'communication', happened_at, null, null
    from bronze.communications where not is_deleted
    union all
    select engagement_id, 'email', happened_at, owner_id, subject
    from bronze.emails where not is_deleted
    union all
    select engagement_id, 'meeting', started_at, null, title
    from bronze.meetings
    union all
    select engagement_id, 'note', happened_at, owner_id, body
    from bronze.notes where not is_deleted
    union all
    select engagement_id, 'task', happened_at, owner_id, task_type
    from bronze.tasks where not is_deleted
)
select
    engagement_id,
    kind,
    case when happened_at >= timestamp '2000-01-01T00:00:00Z' then happened_at end as happened_at,
    owner_id,
    title
from engagements
