create function total(id bigint) returns bigint as (select count(*) from silver.orders where order_id = id)
