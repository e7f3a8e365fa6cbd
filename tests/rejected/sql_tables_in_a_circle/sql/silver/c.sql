select email from silver.a
union all
select email from bronze.people
