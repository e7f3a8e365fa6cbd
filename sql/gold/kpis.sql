-- gold.kpis: one row per key figure and month, with its interval, its target, the pace it takes, and what is decided by it.
-- Shares have Wilson's interval of 95 %. Pace is the change a month that reaches the target in time.
with counted as (
    select 'return_share' as name, cast(date_trunc('month', sold_on) as date) as month_on,
        count(*) filter (where sek_amount < 0) as hits, count(*) as n_count
    from gold.sales
    where kind = 'goods'
    group by 1, 2
    union all
    select 'win_share', cast(date_trunc('month', closed_on) as date), count(*) filter (where is_won), count(*)
    from gold.deals
    where is_closed
    group by 1, 2
    union all
    select 'content_share', cast(date_trunc('month', opened_on) as date),
        count(*) filter (where satisfaction >= 4), count(*)
    from gold.tickets
    where satisfaction is not null
    group by 1, 2
),
shares as (
    select *, cast(hits as double) / cast(n_count as double) as share, cast(n_count as double) as n, 1.96 as z from counted
),
wilson as (
    select
        *,
        (share + z * z / (2 * n)) / (1 + z * z / n) as centre,
        z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n) as margin
    from shares
),
figures as (
    select
        name, month_on, n_count, round(100 * share, 4) as value, round(100 * greatest(centre - margin, cast(0 as double)), 4) as ci_low,
        round(100 * least(centre + margin, cast(1 as double)), 4) as ci_high
    from wilson
    union all
    select 'nps', try_cast(period as date), answers_count, score, ci_low, ci_high
    from gold.nps
    where period <> 'all' and country = 'all'
)
select
    figures.name,
    figures.month_on,
    figures.value,
    figures.ci_low,
    figures.ci_high,
    figures.n_count,
    targets.target,
    targets.target_on,
    round(
        (targets.target - figures.value)
            / greatest(cast(1 as double), cast(targets.target_on - figures.month_on as double) / 30.4375), 4) as pace,
    targets.decision
from figures
join silver.kpi_targets as targets on targets.name = figures.name
