-- ref.countries: one row.
select 'SE' as code
