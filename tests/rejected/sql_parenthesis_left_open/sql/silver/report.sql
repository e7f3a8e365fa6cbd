select country, count(*) as people
from (select country from bronze.people
group by country
