select country, count(*)
from bronze.people
group by country
