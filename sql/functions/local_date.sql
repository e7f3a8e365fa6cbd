-- functions.local_date: the day on which a moment falls where the company is; Sweden, Norway and Denmark share it.
create function local_date(moment timestamp) returns date
as cast(moment at time zone 'Europe/Stockholm' as date);
