-- silver.reviews: one row per reviewed order, with the review that was answered last; of two at once, the greater id.
select
    reviews.order_id,
    reviews.review_id,
    reviews.score,
    nullif(trim(reviews.message), '') as message,
    cast(reviews.asked_at at time zone 'America/Sao_Paulo' as date) as asked_on,
    cast(reviews.answered_at at time zone 'America/Sao_Paulo' as date) as answered_on
from bronze.reviews
qualify row_number() over (partition by order_id order by answered_at desc, review_id desc) = 1
