create function is_known(id bigint) returns boolean as id in (select order_id from silver.orders)
