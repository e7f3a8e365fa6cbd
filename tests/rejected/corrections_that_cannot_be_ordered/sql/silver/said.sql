-- silver.said: one row per correction.
select "table", key, "column", value, "on" from stewardship.corrections
