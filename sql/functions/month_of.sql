-- functions.month_of: the first day of a day's month.
create function month_of(day date) returns date
as cast(date_trunc('month', day) as date);
