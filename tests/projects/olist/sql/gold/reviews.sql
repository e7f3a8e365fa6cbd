-- gold.reviews: one row per category, and `all`, with the mean score and how sure it is.
-- The interval of 95 % is the mean ± 1.96 standard errors, within 1 to 5; one review alone says nothing about its spread.
-- An order with pieces of two categories counts once for each.
with scores as (
    select distinct order_lines.category, order_lines.order_id, cast(reviews.score as double) as score
    from silver.order_lines
    join silver.reviews on reviews.order_id = order_lines.order_id
),
groups as (
    select category, score from scores
    union all
    select 'all', score from (select distinct order_id, score from scores) as orders
),
counted as (
    select
        category,
        count(*) as reviews_count,
        count(*) filter (where score = 1) as worst_count,
        count(*) filter (where score = 5) as best_count,
        avg(score) as mean,
        case when count(*) > 1 then 1.96 * sqrt(var_samp(score) / count(*)) end as margin
    from groups
    group by category
)
select
    category,
    reviews_count,
    worst_count,
    best_count,
    round(mean, 4) as average_score,
    -- greatest and least pass over what is null
    case when margin is not null then round(greatest(mean - margin, cast(1 as double)), 4) end as ci_low,
    case when margin is not null then round(least(mean + margin, cast(5 as double)), 4) end as ci_high
from counted
