-- silver.report: one row per country.
select country, count(*) as people
from bronze.people
where country = 'SE' and
group by country
