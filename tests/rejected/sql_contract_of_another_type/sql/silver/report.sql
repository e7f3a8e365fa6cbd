select
  customer_id,
  sum(amount) * 1.25 as amount,
  avg(cast(amount as double)) as average
from bronze.orders
group by customer_id
