select country, email, count(*) as people
from bronze.people
group by country
