-- gold.nps: one row per month and country, and for `all` of either, with the net promoter score and how sure it is.
-- Score = 100 · (promoters − detractors) / answers. Its 95 % interval is 1.96 standard errors to either side, where the variance of
-- one answer (+1, 0 or −1) is (P + D)/n − ((P − D)/n)². Few answers look surer than they are: below 30 the interval is that of
-- the posterior of a flat Dirichlet prior (one answer more of each verdict, variance over n + 1), drawn towards 0.
with answers as (
    select
        month_of(answers.answered_on) as month_on,
        coalesce(customers.country, 'unknown') as country,
        answers.verdict
    from silver.nps_answers as answers
    left join identity.contact_ids as contact_ids on contact_ids.contact = answers.email
    left join gold.customers as customers on customers.customer_id = contact_ids.customer_id
),
periods as (
    select cast(month_on as varchar) as period, country, verdict from answers
    union all
    select cast(month_on as varchar), 'all', verdict from answers
    union all
    select 'all', country, verdict from answers
    union all
    select 'all', 'all', verdict from answers
),
counted as (
    select
        period,
        country,
        count(*) as answers_count,
        count(*) filter (where verdict = 'promoter') as promoters_count,
        count(*) filter (where verdict = 'passive') as passives_count,
        count(*) filter (where verdict = 'detractor') as detractors_count,
        case when count(*) < 30 then 1 else 0 end as prior
    from periods
    group by period, country
),
-- Shares of promoters and detractors, and what the variance is divided by.
weighed as (
    select
        *,
        share(promoters_count + prior, answers_count + 3 * prior) as p,
        share(detractors_count + prior, answers_count + 3 * prior) as d,
        answers_count + 4 * prior as n
    from counted
),
spread as (
    select *, p - d as centre, 1.959963984540054 * sqrt((p + d - power(p - d, 2)) / n) as margin from weighed
)
select
    period,
    country,
    answers_count,
    promoters_count,
    passives_count,
    detractors_count,
    round(100 * share(promoters_count - detractors_count, answers_count), 4) as score,
    round(100 * greatest(centre - margin, cast(-1 as double)), 4) as ci_low,
    round(100 * least(centre + margin, cast(1 as double)), 4) as ci_high
from spread
