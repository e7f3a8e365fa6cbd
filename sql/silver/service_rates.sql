-- silver.service_rates: one row, what serving costs and selling earns, by this year's budget.
select
    cast(8.50 as decimal(9,2)) as sek_per_minute,
    cast(6 as bigint) as minutes_per_talk,
    cast(4 as bigint) as minutes_per_message,
    cast(60.00 as decimal(9,2)) as sek_per_return,
    cast(0.40 as decimal(9,2)) as margin_share
