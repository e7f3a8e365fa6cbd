create table silver.report as
select country from bronze.people
