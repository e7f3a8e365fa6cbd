select email, country
from bronze.people
qualify row_number() over (partition by country) = 1
