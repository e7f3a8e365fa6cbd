select country, string_agg(email, ', ') as emails
from bronze.people
group by country
