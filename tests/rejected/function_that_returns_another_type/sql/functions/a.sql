create function label(amount bigint) returns varchar as amount + 1
