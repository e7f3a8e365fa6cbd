-- silver.nps_answers: one row per answer to "would you recommend us?", with the verdict that its score means.
select
    response_id,
    normalize_email(email) as email,
    score,
    case when score >= 9 then 'promoter' when score >= 7 then 'passive' else 'detractor' end as verdict,
    nullif(trim(comment), '') as comment,
    answered_at,
    local_date(answered_at) as answered_on
from bronze.nps
