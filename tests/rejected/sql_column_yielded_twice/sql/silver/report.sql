select p.customer_id, o.customer_id, o.amount
from bronze.people as p
join bronze.orders as o on o.customer_id = p.customer_id
