select country from bronze.people;
select email from bronze.people
