select p.country, count(*) as people
from bronze.people as p
where p.contry is not null
group by p.country
