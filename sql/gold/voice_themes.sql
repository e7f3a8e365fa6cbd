-- gold.voice_themes: one row per month and theme, with how much is said about it beside what those who say it scored.
with said as (
    select
        voices.theme, month_of(voices.said_on) as month_on, voices.voice_id, voices.customer_id, answers.score,
        tickets.satisfaction
    from gold.voices as voices
    left join silver.nps_answers as answers on 'answer:' || answers.response_id = voices.voice_id
    left join silver.tickets as tickets on 'ticket:' || tickets.ticket_id = voices.voice_id
),
months as (
    select month_on, count(distinct voice_id) as voices_count from said group by month_on
),
themes as (
    select
        month_on,
        theme,
        count(*) as voices_count,
        count(distinct customer_id) as customers_count,
        avg(cast(score as double)) as average_nps_score,
        avg(cast(satisfaction as double)) as average_satisfaction
    from said
    group by month_on, theme
)
select
    themes.month_on,
    themes.theme,
    themes.voices_count,
    themes.customers_count,
    share(themes.voices_count, months.voices_count) as voices_share,
    themes.average_nps_score,
    themes.average_satisfaction
from themes
join months on months.month_on = themes.month_on
