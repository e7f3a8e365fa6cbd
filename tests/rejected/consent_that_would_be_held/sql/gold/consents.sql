-- gold.consents: one row per address.
select email, granted from bronze.consents
