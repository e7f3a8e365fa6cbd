"""Counts the nine tables of Olist in a folder with DuckDB's own CSV reader; a line per figure: what, keys, values."""

import sys

import duckdb

folder = sys.argv[1]
connection = duckdb.connect()
TABLES = {
    "orders": "olist_orders_dataset",
    "items": "olist_order_items_dataset",
    "payments": "olist_order_payments_dataset",
    "reviews": "olist_order_reviews_dataset",
    "customers": "olist_customers_dataset",
    "sellers": "olist_sellers_dataset",
    "products": "olist_products_dataset",
    "categories": "product_category_name_translation",
    "places": "olist_geolocation_dataset",
}
for table, file in TABLES.items():
    connection.execute(
        f"create table {table} as from read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"')",
        [f"{folder}/{file}.csv"],
    )


def count(what, sql):
    for row in connection.execute(sql).fetchall():
        print(",".join([what, *("" if value is None else str(value) for value in row)]))


for table, file in sorted(TABLES.items(), key=lambda item: item[1]):
    count("records", f"select '{file}.csv', count(*) from {table}")
count(
    "outside Brazil",
    """select count(*) from places where geolocation_lat::double not between -33.75 and 5.28
       or geolocation_lng::double not between -73.99 and -28.6""",
)
# the times are written on the clock of São Paulo, on which the months are counted too
SOLD = """
    from items join orders using (order_id) join customers using (customer_id)
    where order_status not in ('canceled', 'unavailable')
"""
count(
    "sales",
    f"""select order_purchase_timestamp[:7] || '-01', customer_state, count(distinct order_id), count(*),
               count(distinct customer_unique_id), sum(price::decimal(14, 2)), sum(freight_value::decimal(14, 2))
        {SOLD} group by all order by all""",
)
count(
    "payments",
    """select order_purchase_timestamp[:7] || '-01', payment_type, count(*), count(distinct order_id),
              sum(payment_value::decimal(14, 2))
       from payments join orders using (order_id) group by all order by all""",
)
count(
    "customers",
    f"""select customer_state, count(*), sum(bought), sum(spent) from (
            select customer_unique_id, max(customer_state) as customer_state,
                   count(*) filter (order_status not in ('canceled', 'unavailable')) as bought
            from customers join orders using (customer_id) group by all)
        left join (
            select customer_unique_id, sum(price::decimal(14, 2) + freight_value::decimal(14, 2)) as spent
            {SOLD} group by all) using (customer_unique_id)
        group by all order by all""",
)
NEWEST_REVIEW = """
    (select order_id, review_score::integer as score from reviews
     qualify row_number() over (partition by order_id order by review_answer_timestamp desc, review_id desc) = 1)
"""
count("scores", f"select score, count(*) from {NEWEST_REVIEW} group by all order by all")
count(
    "reviews",
    f"""select coalesce(product_category_name_english, product_category_name, 'unknown') as category, count(*),
               round(avg(score), 4),
               case when count(*) > 1 then round(greatest(avg(score) - 1.96 * stddev_samp(score) / sqrt(count(*)), 1), 4) end,
               case when count(*) > 1 then round(least(avg(score) + 1.96 * stddev_samp(score) / sqrt(count(*)), 5), 4) end
        from (select distinct order_id, product_category_name {SOLD.replace("where", "join products using (product_id) where")})
        left join categories using (product_category_name)
        join {NEWEST_REVIEW} using (order_id)
        group by 1 order by 1""",
)
count(
    "sellers",
    f"""select seller_id, count(distinct order_id), count(*), sum(price::decimal(14, 2))
        {SOLD} group by all order by all""",
)
count(
    "deliveries",
    """select customer_state, count(*),
              count(*) filter (order_delivered_customer_date::date > order_estimated_delivery_date::date),
              median(order_delivered_customer_date::date - order_purchase_timestamp::date)
       from orders join customers using (customer_id) where order_delivered_customer_date is not null
       group by all order by all""",
)
