-- gold.tickets: one row per ticket, with where it stands and how long its customer waited.
-- A reply or an end before the beginning is a fault of the CRM's clock: the time it took is not known.
select
    tickets.ticket_id,
    pipelines.label as pipeline,
    coalesce(stages.ticket_state, 'UNKNOWN') as ticket_state,
    tickets.closed_at is not null as is_closed,
    tickets.opened_at,
    case when tickets.replied_at >= tickets.opened_at
        then date_diff('minute', tickets.opened_at, tickets.replied_at) end as minutes_to_reply,
    case when tickets.closed_at >= tickets.opened_at
        then date_diff('minute', tickets.opened_at, tickets.closed_at) end as minutes_to_close
from bronze.tickets
left join bronze.ticket_pipelines as pipelines on pipelines.pipeline_id = tickets.pipeline_id
left join bronze.ticket_pipeline_stages as stages
    on stages.pipeline_id = tickets.pipeline_id and stages.stage_id = tickets.stage_id
where not tickets.is_deleted
