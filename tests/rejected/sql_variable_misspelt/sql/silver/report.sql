select email from bronze.people where country = $contry and $asof > cast('2026-01-01' as timestamp)
