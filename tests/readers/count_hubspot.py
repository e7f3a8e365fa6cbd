"""Counts the CRM's tables in a folder with DuckDB's own CSV reader; a line per figure: what, keys, values."""

import sys
from pathlib import Path

import duckdb

connection = duckdb.connect()
FILES = sorted(Path(sys.argv[1]).glob("*_data.csv"))
for file in FILES:
    table = file.name.removesuffix("_data.csv")
    connection.execute(
        f"create table {table} as from read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"')",
        [str(file)],
    )


def count(what, sql):
    for row in connection.execute(sql).fetchall():
        print(",".join([what, *("" if value is None else str(value) for value in row)]))


for file in FILES:
    count("records", f"select '{file.name}', count(*) from {file.name.removesuffix('_data.csv')}")
count(
    "contacts",
    """select id, property_email, property_createdate::timestamp::date,
              coalesce(len(string_split(property_hs_merged_object_ids, ';')), 0)
       from contact
       where id not in (select unnest(string_split(property_hs_merged_object_ids, ';')) from contact
                        where property_hs_merged_object_ids is not null)
       order by id::bigint""",
)
count(
    "companies",
    """select property_country, count(*), sum(property_annualrevenue::decimal(16, 2)),
              sum("property_hs_all-funky-a9384-syntax"::integer)
       from company group by all order by all""",
)
count(
    "deals by stage",
    """select stage, count(*) from (
           select coalesce(stages.value, 'unknown') as stage
           from deal full join (from deal_stage where _fivetran_active = 'TRUE') as stages using (deal_id))
       group by all order by all""",
)
count(
    "deals by owner",
    "select owner.email, count(*) from deal join owner using (owner_id) group by all order by all",
)
count(
    "pipelines",
    """select pipeline_id, count(*), count(*) filter (closed_won = 'TRUE'),
              max(probability::decimal(4, 2)) filter (is_closed = 'FALSE')
       from deal_pipeline_stage where _fivetran_deleted = 'FALSE' group by all order by all""",
)
SINCE = "case when moment >= '2000-01-01' then date_trunc('month', moment)::date end"
count(
    "engagements",
    f"""with engagements as (
            select 'call' as kind, property_hs_timestamp::timestamp as moment from engagement_call
            union all select 'communication', property_hs_timestamp::timestamp from engagement_communication
            union all select 'email', property_hs_timestamp::timestamp from engagement_email
            union all select 'meeting', start_time::timestamp from engagement_meeting
            union all select 'note', property_hs_timestamp::timestamp from engagement_note
            union all select 'task', property_hs_timestamp::timestamp from engagement_task)
        select {SINCE} as month_on, kind, count(*) from engagements group by all order by month_on nulls last, kind""",
)
count(
    "tickets",
    """select ticket.id, coalesce(stages.ticket_state, 'UNKNOWN'), (ticket.property_closed_date is not null)::varchar,
              case when property_first_agent_reply_date::timestamp >= property_createdate::timestamp
                  then date_diff('minute', property_createdate::timestamp, property_first_agent_reply_date::timestamp) end,
              case when property_closed_date::timestamp >= property_createdate::timestamp
                  then date_diff('minute', property_createdate::timestamp, property_closed_date::timestamp) end
       from ticket
       left join ticket_pipeline_stage as stages
           on stages.stage_id = property_hs_pipeline_stage and stages.pipeline_id = property_hs_pipeline
       order by ticket.id::bigint""",
)
count(
    "campaigns",
    """select email_campaign_id::bigint as campaign_id, count(*) filter (type = 'SENT'), count(*) filter (type = 'DELIVERED'),
              count(*) filter (type = 'OPEN'), count(distinct recipient) filter (type = 'OPEN')
       from email_event where coalesce(filtered_event, 'false') = 'false' group by all order by campaign_id""",
)
count(
    "lists",
    """select contact_list.id::bigint as list_id, count(contact_id) filter (contact_list_member._fivetran_deleted = 'false'),
              count(contact_id) filter (contact_list_member._fivetran_deleted = 'true')
       from contact_list left join contact_list_member on contact_list_id = contact_list.id
       group by all order by list_id""",
)
