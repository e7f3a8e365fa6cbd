-- gold.nps: one row per month and country, and for `all` of either, with the net promoter score and how sure it is.
-- Score = 100 · (promoters − detractors) / answers, with a 95 % interval of 1.96 standard errors, where the variance of
-- one answer (+1, 0 or −1) is (P + D)/n − ((P − D)/n)². Below 30 answers each verdict counts one answer more in the
-- interval (a flat Dirichlet prior), since few answers look surer than they are.
with answers as (
    select
        cast(date_trunc('month', answers.answered_on) as date) as month_on,
        coalesce(customers.country, 'unknown') as country,
        answers.verdict
    from silver.nps_answers as answers
    left join identity.email_ids as email_ids on email_ids.email = answers.email
    left join gold.customers as customers on customers.customer_id = email_ids.customer_id
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
        count(*) filter (where verdict = 'detractor') as detractors_count
    from periods
    group by period, country
),
weighed as (
    select
        *,
        cast(case when answers_count < 30 then answers_count + 3 else answers_count end as double) as n,
        cast(case when answers_count < 30 then promoters_count + 1 else promoters_count end as double) as p,
        cast(case when answers_count < 30 then detractors_count + 1 else detractors_count end as double) as d
    from counted
),
spread as (
    select *, (p - d) / n as centre, 1.96 * sqrt(((p + d) / n - power((p - d) / n, 2)) / n) as margin from weighed
)
select
    period,
    country,
    answers_count,
    promoters_count,
    passives_count,
    detractors_count,
    round(100.0 * cast(promoters_count - detractors_count as double) / cast(answers_count as double), 4) as score,
    round(100.0 * greatest(centre - margin, cast(-1 as double)), 4) as ci_low,
    round(100.0 * least(centre + margin, cast(1 as double)), 4) as ci_high
from spread
