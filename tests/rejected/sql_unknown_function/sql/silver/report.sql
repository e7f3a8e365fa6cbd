select customer_id, uper(country) as country
from bronze.people
