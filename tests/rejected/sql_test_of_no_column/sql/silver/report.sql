select country, count(*) as people from bronze.people group by country
