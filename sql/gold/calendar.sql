-- gold.calendar: one row per day and country, over the years in which something was sold and the one after.
-- Public holidays by the rules of ref.holidays. Easter by the anonymous Gregorian computus (Meeus 1991, Astronomical
-- Algorithms, ch. 8), whose letters these are.
with sold as (
    select
        cast(date_part('year', min(sold_on)) as bigint) as first_year,
        cast(date_part('year', max(sold_on)) as bigint) + 1 as last_year
    from gold.sales
),
rules as (
    select * from ref.holidays
),
years as (
    select unnest(range(first_year, last_year + 1)) as year from sold
),
parts as (
    select year, year % 19 as a, quotient(year, 100) as b, year % 100 as c from years
),
moons as (
    select
        year, a,
        (19 * a + b - quotient(b, 4) - quotient(b - quotient(b + 8, 25) + 1, 3) + 15) % 30 as h,
        b % 4 as e, quotient(c, 4) as i, c % 4 as k
    from parts
),
weekdays as (
    select year, a, h, (32 + 2 * e + 2 * i - h - k) % 7 as l from moons
),
sundays as (
    select year, h + l - 7 * quotient(a + 11 * h + 22 * l, 451) + 114 as n from weekdays
),
easters as (
    select year, make_date(year, quotient(n, 31), n % 31 + 1) as easter_on from sundays
),
-- The day that a rule names, before it moves on to its weekday.
named as (
    select
        rules.country,
        rules.holiday,
        rules.weekday,
        case
            when rules.month is null then cast(easters.easter_on + rules.days_after_easter as date)
            else make_date(easters.year, rules.month, rules.day)
        end as from_on
    from rules
    cross join easters
),
moved as (
    select
        country,
        holiday,
        case
            when weekday is null then from_on
            else cast(from_on + cast((weekday - date_part('dow', from_on) + 7) % 7 as bigint) as date)
        end as holiday_on
    from named
),
-- Two holidays may fall on one day.
holidays as (
    select country, holiday_on, string_agg(holiday, ' / ' order by holiday) as holiday
    from moved
    group by country, holiday_on
),
countries as (
    select distinct country from rules
),
days as (
    select
        cast(unnest(range(make_date(first_year, 1, 1), make_date(last_year + 1, 1, 1), interval '1 day')) as date) as calendar_on
    from sold
)
select
    days.calendar_on,
    countries.country,
    cast(date_trunc('week', days.calendar_on) as date) as week_starts_on,
    month_of(days.calendar_on) as month_starts_on,
    date_part('dow', days.calendar_on) in (0, 6) as is_weekend,
    holidays.holiday is not null as is_holiday,
    holidays.holiday
from days
cross join countries
left join holidays on holidays.country = countries.country and holidays.holiday_on = days.calendar_on
