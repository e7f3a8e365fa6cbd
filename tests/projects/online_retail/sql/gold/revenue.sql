-- gold.revenue: one row per day and country.
select
    cast(invoiced_at as date) as sold_on,
    country,
    count(*) as lines_count,
    count(distinct customer_no) as customers_count,
    sum(quantity * unit_price) as revenue_amount
from bronze.invoice_lines
group by cast(invoiced_at as date), country
