-- silver.consents: one row per change of a consent, with the contact it speaks of in one form.
-- A contact that cannot be read stays as written: a withdrawal must never be lost to a typing error.
with changes as (
    select
        * exclude (email, phone),
        coalesce(normalize_email(email), lower(trim(email))) as email,
        coalesce(normalize_phone(phone, 'SE'), trim(phone)) as phone
    from bronze.consents
)
select
    consent_id,
    purpose,
    coalesce(email, phone) as contact,
    email,
    phone,
    granted,
    changed_at,
    source,
    text_version
from changes
