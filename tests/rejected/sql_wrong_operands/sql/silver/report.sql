select order_id, ordered_at + amount as late
from bronze.orders
