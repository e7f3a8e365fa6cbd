-- gold.voice_themes: one row per month and theme, with how much is said about it beside what those who say it scored.
with said as (
    select
        voices.theme, cast(date_trunc('month', voices.said_on) as date) as month_on, voices.voice_id, voices.customer_id,
        answers.score, tickets.satisfaction
    from gold.voices as voices
    left join silver.nps_answers as answers on 'answer:' || answers.response_id = voices.voice_id
    left join silver.tickets as tickets on 'ticket:' || tickets.ticket_id = voices.voice_id
),
months as (
    select month_on, count(distinct voice_id) as voices_count from said group by month_on
)
select
    said.month_on,
    said.theme,
    count(*) as voices_count,
    count(distinct said.customer_id) as customers_count,
    cast(count(*) as double) / cast(months.voices_count as double) as voices_share,
    avg(cast(said.score as double)) as average_nps_score,
    avg(cast(said.satisfaction as double)) as average_satisfaction
from said
join months on months.month_on = said.month_on
group by said.month_on, said.theme, months.voices_count
