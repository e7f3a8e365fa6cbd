select country, count(*) as customers, max(email) as email
from bronze.people
group by country
