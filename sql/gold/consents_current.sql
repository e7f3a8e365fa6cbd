-- gold.consents_current: one row per purpose and contact, the newest change only.
-- Two changes at one moment: the later number in the consent log decides.
with ranked as (
    select *, row_number() over (partition by purpose, contact order by changed_at desc, consent_id desc) as recency
    from silver.consents
)
select purpose, contact, email, phone, granted, changed_at, source, text_version, consent_id
from ranked
where recency = 1
