-- gold.payments: one row per month and way of paying. Cancelled orders are counted too: their money came in and went back.
select
    cast(date_trunc('month', orders.ordered_on) as date) as month_on,
    payments.payment_type,
    count(*) as payments_count,
    count(distinct payments.order_id) as orders_count,
    cast(sum(payments.amount) as decimal(14,2)) as amount,
    avg(cast(payments.instalments_count as double)) as average_instalments
from bronze.payments
join silver.orders on orders.order_id = payments.order_id
group by 1, 2
