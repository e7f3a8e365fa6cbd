-- gold.pipelines: one row per way that deals can go, with its stages from first to won. Stages that are gone are left out.
select
    pipeline_id,
    count(*) as stages_count,
    count(*) filter (where is_won) as won_stages_count,
    count(*) filter (where is_closed and not is_won) as lost_stages_count,
    max(probability) filter (where not is_closed) as best_open_probability,
    list(stage_id order by display_order, stage_id) as stages
from bronze.deal_pipeline_stages
where not is_deleted
group by pipeline_id
