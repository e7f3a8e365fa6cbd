-- gold.email_campaigns: one row per campaign of which the extract holds an event. What a machine did is not counted.
select
    events.campaign_id,
    min(campaigns.type) as type,
    count(*) filter (where events.type = 'SENT') as sent_count,
    count(*) filter (where events.type = 'DELIVERED') as delivered_count,
    count(*) filter (where events.type = 'OPEN') as opened_count,
    count(distinct events.recipient) filter (where events.type = 'OPEN') as readers_count
from bronze.email_events as events
left join bronze.email_campaigns as campaigns on campaigns.campaign_id = events.campaign_id
where not coalesce(events.is_filtered, false)
group by events.campaign_id
