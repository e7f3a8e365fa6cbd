-- functions.quotient: how often the divisor goes into the dividend, whole: quotient(7, 2) is 3.
create function quotient(dividend bigint, divisor bigint) returns bigint
as cast(dividend / divisor as bigint);
