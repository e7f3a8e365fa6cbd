-- silver.kpi_targets: one row per key figure, with what the management wants and does if it is missed.
select name, cast(target as double) as target, cast(target_on as date) as target_on, decision
from (values
    ('nps', 40.0, date '2027-12-31', 'below 30: the worst theme of gold.voice_themes gets an owner and a month'),
    ('return_share', 1.0, date '2026-12-31', 'above 2: sizes and pictures of the five most returned products are redone'),
    ('win_share', 40.0, date '2026-12-31', 'below 30: offers above 100,000 SEK are read by a second seller'),
    ('content_share', 80.0, date '2026-12-31', 'below 70: one more person at the desk on Mondays')
) as targets (name, target, target_on, decision)
