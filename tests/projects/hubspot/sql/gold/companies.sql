-- gold.companies: one row per company.
select
    company_id,
    name,
    industry,
    country,
    annual_revenue_amount,
    cast(created_at as date) as known_since_on
from bronze.companies
where not is_deleted
