select country, sum(email) as emails
from bronze.people
group by country
