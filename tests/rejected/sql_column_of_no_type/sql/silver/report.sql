select customer_id, null as segment, ordered_at - ordered_at as age
from bronze.orders
