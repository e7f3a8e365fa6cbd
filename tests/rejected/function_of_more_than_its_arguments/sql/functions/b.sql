create function age_in_days(at timestamp) returns bigint as date_diff('day', at, now())
