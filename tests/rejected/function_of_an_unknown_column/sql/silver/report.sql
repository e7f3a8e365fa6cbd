-- silver.report: one row per country.
select code, net(1.5) as a from ref.countries
