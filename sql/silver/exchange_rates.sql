-- silver.exchange_rates: one row per currency, in kronor of Sweden.
-- Fixed rates of the budget year: money of three countries is compared, not booked.
select currency, cast(sek_per_unit as decimal(9,4)) as sek_per_unit
from (values ('SEK', 1.0000), ('NOK', 0.9524), ('DKK', 1.4706), ('EUR', 11.0000)) as rates (currency, sek_per_unit)
