-- gold.calendar: one row per day and country, over the years in which something was sold.
-- Public holidays of SE, NO and DK. Easter by the anonymous Gregorian computus (Meeus 1991, Astronomical Algorithms, ch. 8).
with years as (
    select distinct cast(date_part('year', sold_on) as bigint) as year from gold.sales
),
parts as (
    select
        year,
        year % 19 as a,
        quotient(year, 100) as b,
        year % 100 as c
    from years
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
moving as (
    select *
    from (values
        ('SE', 'Långfredagen', -2), ('SE', 'Påskdagen', 0), ('SE', 'Annandag påsk', 1), ('SE', 'Kristi himmelsfärdsdag', 39), ('SE', 'Pingstdagen', 49),
        ('NO', 'Skjærtorsdag', -3), ('NO', 'Langfredag', -2), ('NO', 'Første påskedag', 0), ('NO', 'Andre påskedag', 1),
        ('NO', 'Kristi himmelfartsdag', 39), ('NO', 'Første pinsedag', 49), ('NO', 'Andre pinsedag', 50),
        ('DK', 'Skærtorsdag', -3), ('DK', 'Langfredag', -2), ('DK', 'Påskedag', 0), ('DK', '2. påskedag', 1),
        ('DK', 'Kristi himmelfartsdag', 39), ('DK', 'Pinsedag', 49), ('DK', '2. pinsedag', 50)
    ) as moving (country, holiday, days_after_easter)
),
fixed as (
    select *
    from (values
        ('SE', 'Nyårsdagen', 1, 1), ('SE', 'Trettondedag jul', 1, 6), ('SE', 'Första maj', 5, 1), ('SE', 'Sveriges nationaldag', 6, 6),
        ('SE', 'Juldagen', 12, 25), ('SE', 'Annandag jul', 12, 26),
        ('NO', 'Første nyttårsdag', 1, 1), ('NO', 'Arbeidernes dag', 5, 1), ('NO', 'Grunnlovsdagen', 5, 17),
        ('NO', 'Første juledag', 12, 25), ('NO', 'Andre juledag', 12, 26),
        ('DK', 'Nytårsdag', 1, 1), ('DK', 'Juledag', 12, 25), ('DK', '2. juledag', 12, 26)
    ) as fixed (country, holiday, month, day)
),
-- In Sweden midsummer day is the Saturday of 20 to 26 June, all saints' day that of 31 October to 6 November.
swedish_saturdays as (
    select 'SE' as country, 'Midsommardagen' as holiday, make_date(year, 6, 20) as from_on from years
    union all
    select 'SE', 'Alla helgons dag', make_date(year, 10, 31) from years
),
holidays as (
    select moving.country, moving.holiday, cast(easters.easter_on + moving.days_after_easter as date) as holiday_on
    from moving
    cross join easters
    union all
    select fixed.country, fixed.holiday, make_date(years.year, fixed.month, fixed.day)
    from fixed
    cross join years
    union all
    select country, holiday, cast(from_on + (6 - cast(date_part('dow', from_on) as bigint)) as date) from swedish_saturdays
),
named as (
    -- Two holidays may fall on one day.
    select country, holiday_on, string_agg(holiday, ' / ' order by holiday) as holiday from holidays group by country, holiday_on
),
days as (
    select cast(unnest(range(make_date(min(year), 1, 1), make_date(max(year) + 1, 1, 1), interval '1 day')) as date) as calendar_on
    from years
),
countries as (
    select * from (values ('SE'), ('NO'), ('DK')) as countries (country)
)
select
    days.calendar_on,
    countries.country,
    cast(date_trunc('week', days.calendar_on) as date) as week_starts_on,
    cast(date_trunc('month', days.calendar_on) as date) as month_starts_on,
    date_part('dow', days.calendar_on) in (0, 6) as is_weekend,
    named.holiday is not null as is_holiday,
    named.holiday
from days
cross join countries
left join named on named.country = countries.country and named.holiday_on = days.calendar_on
