-- gold.kpis: one row per key figure and month, with its interval, its target, the pace it takes, and what is decided by it.
-- Shares are in percent, with Wilson's interval of 95 %. Pace is the change a month that reaches the target in time. A
-- decision is due where even the better end of the interval is beyond the bound of ref.kpi_targets.
with targets as (
    select * from ref.kpi_targets
),
returns as (
    select
        'return_share' as name, month_of(sold_on) as month_on, count(*) filter (where sek_amount < 0) as hits, count(*) as n_count
    from gold.sales
    where kind = 'goods'
    group by month_of(sold_on)
),
wins as (
    select 'win_share' as name, month_of(closed_on) as month_on, count(*) filter (where is_won) as hits, count(*) as n_count
    from gold.deals
    where is_closed
    group by month_of(closed_on)
),
content as (
    select
        'content_share' as name, month_of(opened_on) as month_on, count(*) filter (where satisfaction >= 4) as hits,
        count(*) as n_count
    from gold.tickets
    where satisfaction is not null
    group by month_of(opened_on)
),
shares as (
    select * from returns
    union all
    select * from wins
    union all
    select * from content
),
figures as (
    select
        name, month_on, n_count, 100 * share(hits, n_count) as value, 100 * wilson_low(hits, n_count) as ci_low,
        100 * wilson_high(hits, n_count) as ci_high
    from shares
    union all
    select 'nps', try_cast(period as date), answers_count, score, ci_low, ci_high
    from gold.nps
    where period <> 'all' and country = 'all'
)
select
    figures.name,
    figures.month_on,
    round(figures.value, 4) as value,
    round(figures.ci_low, 4) as ci_low,
    round(figures.ci_high, 4) as ci_high,
    figures.n_count,
    targets.target,
    targets.target_on,
    round(
        (targets.target - figures.value) / greatest(date_diff('month', figures.month_on, targets.target_on), 1), 4) as pace,
    targets.act_at,
    case targets.better
        when 'higher' then figures.ci_high < targets.act_at
        else figures.ci_low > targets.act_at
    end as is_due,
    targets.decision
from figures
join targets on targets.name = figures.name
