-- gold.engagements: one row per month and kind of engagement; without a month, those of which nobody knows when.
select
    cast(date_trunc('month', happened_at) as date) as month_on,
    kind,
    count(*) as engagements_count
from silver.engagements
group by 1, 2
