-- gold.deals: one row per deal, of those that the extract tells all about and of those that it only knows the stage of.
with stages as (
    select deal_id, stage, entered_at from bronze.deal_stages where is_current
),
known as (
    select * from bronze.deals where not is_deleted
)
select
    coalesce(known.deal_id, stages.deal_id) as deal_id,
    known.name,
    coalesce(stages.stage, known.stage_id, 'unknown') as stage,
    stages.entered_at,
    owners.email as owner_email,
    known.amount,
    cast(known.created_at as date) as opened_on
from known
full outer join stages on stages.deal_id = known.deal_id
left join bronze.owners on owners.owner_id = known.owner_id
