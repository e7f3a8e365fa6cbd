-- silver.report: one row per order.
select * from read_csv('orders.csv')
