{{ config(materialized='view') }}
-- {{ a comment }}
select order_id
from {{ ref('orders') }}
where amount > {{ var('least') }}
