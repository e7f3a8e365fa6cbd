select p.email,
  (select o.amount from bronze.orders as o where o.customer_id < p.customer_id order by o.order_id limit 1) as amount
from bronze.people as p
