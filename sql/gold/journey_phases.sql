-- gold.journey_phases: one row per customer and stretch of time in one phase of the journey; from is in it, to is not.
-- A touch decides its phase: a visit or mail after 90 days of silence discovers, later ones explore; a purchase buys, or
-- inspires if one was made in the 90 days before; returns and service deliver; a promoter's answer inspires. A stretch
-- ends with the next phase or after 90 days of silence; the one that goes on has no end.
with touches as (
    select
        customer_id, interaction_id, occurred_at, kind, sek_amount,
        lag(occurred_at) over (partition by customer_id order by occurred_at, interaction_id) as previous_at,
        max(case when kind = 'purchase' and sek_amount > 0 then occurred_at end) over (
            partition by customer_id order by occurred_at, interaction_id
            rows between unbounded preceding and 1 preceding) as bought_at
    from gold.interactions
    where customer_id is not null
        and occurred_at < $as_of
        and kind not in ('mail_bounce', 'mail_unsubscribe')
        and (kind <> 'survey' or reference in ('9', '10'))
),
timed as (
    select
        *,
        previous_at is null or occurred_at > previous_at + interval '90 days' as is_after_silence,
        bought_at is not null and occurred_at <= bought_at + interval '90 days' as is_soon_after_purchase
    from touches
),
phased as (
    select
        customer_id, interaction_id, occurred_at, is_after_silence,
        case
            when kind = 'survey' then 'inspire'
            when kind in ('service', 'ticket') or (kind = 'purchase' and sek_amount <= 0) then 'deliver'
            when kind = 'purchase' and is_soon_after_purchase then 'inspire'
            when kind = 'purchase' then 'buy'
            when is_after_silence then 'discover'
            else 'explore'
        end as phase
    from timed
),
starts as (
    select
        *,
        case
            when is_after_silence then 1
            when phase <> lag(phase) over (partition by customer_id order by occurred_at, interaction_id) then 1
            else 0
        end as is_start
    from phased
),
numbered as (
    select
        *,
        sum(is_start) over (
            partition by customer_id order by occurred_at, interaction_id
            rows between unbounded preceding and current row) as phase_no
    from starts
),
stretches as (
    select
        customer_id, phase_no, phase, min(occurred_at) as from_at, max(occurred_at) as last_touch_at,
        count(*) as touches_count
    from numbered
    group by customer_id, phase_no, phase
),
ended as (
    select
        *,
        least(
            lead(from_at) over (partition by customer_id order by phase_no),
            last_touch_at + interval '90 days') as end_at
    from stretches
)
select
    customer_id,
    phase_no,
    phase,
    from_at,
    case when end_at <= $as_of then end_at end as to_at,
    touches_count
from ended
