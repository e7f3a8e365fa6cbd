-- silver.zip_codes: one row per postcode prefix and state, in the middle of the points that were looked up there.
select
    zip_prefix,
    state,
    count(*) as points_count,
    median(latitude) as latitude,
    median(longitude) as longitude
from bronze.places
group by zip_prefix, state
