-- silver.report: one row per country.
select
    country,
    approx_distinct(email) as emails_count,
    approx_percentile_cont(0.9) within group (order by length(email)) as late
from bronze.people
group by country
