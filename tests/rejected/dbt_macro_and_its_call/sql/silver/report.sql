-- silver.report: one row per order.
{% set limit = 5 %}
select {{ cents_to_sek('amount') }} as amount, {{ dbt_utils.star(ref('orders')) }} from {{ ref('orders') }}
where '{{ target.name }}' = 'prod'
