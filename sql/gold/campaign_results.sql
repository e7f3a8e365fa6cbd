-- gold.campaign_results: one row per campaign, the mailed arm against the control arm.
-- A buyer is who can be seen to have ordered in the web shop within seven days of the mailing, that day included. The
-- interval is that of the difference of two shares (Newcombe 1998, method 10: both Wilson), at 95 %: where it holds 0, the mail may have done nothing.
with assigned as (
    select
        campaign, arm, coalesce(normalize_email(email), lower(trim(email))) as email,
        cast(min(sent_at) at time zone 'Europe/Stockholm' as date) as sent_on
    from bronze.campaign_assignments
    group by campaign, arm, coalesce(normalize_email(email), lower(trim(email)))
),
-- Seen by the account with the mail's address, or by the one customer whom the address names.
orders as (
    select coalesce(normalize_email(accounts.email), lower(trim(accounts.email))) as email, orders.order_id, orders.placed_on
    from silver.orders as orders
    join bronze.web_customers as accounts on accounts.customer_id = orders.web_customer_id
    union
    select email_ids.email, sales.sale_id, sales.sold_on
    from gold.sales as sales
    join identity.email_ids as email_ids on email_ids.customer_id = sales.customer_id
    where sales.channel = 'web'
),
people as (
    select
        assigned.campaign, assigned.arm, assigned.email, assigned.sent_on,
        count(orders.order_id) > 0 as has_bought
    from assigned
    left join orders
        on orders.email = assigned.email
        and orders.placed_on >= assigned.sent_on
        and orders.placed_on < assigned.sent_on + interval '7 days'
    group by assigned.campaign, assigned.arm, assigned.email, assigned.sent_on
),
arms as (
    select
        campaign,
        min(sent_on) as sent_on,
        count(*) filter (where arm = 'treatment') as treated_count,
        count(*) filter (where arm = 'treatment' and has_bought) as treated_buyers_count,
        count(*) filter (where arm = 'control') as control_count,
        count(*) filter (where arm = 'control' and has_bought) as control_buyers_count
    from people
    group by campaign
    having count(*) filter (where arm = 'treatment') > 0 and count(*) filter (where arm = 'control') > 0
),
shares as (
    select
        *,
        cast(treated_buyers_count as double) / treated_count as treated_share,
        cast(control_buyers_count as double) / control_count as control_share,
        cast(1.959964 as double) as z
    from arms
),
-- Wilson's interval of each share.
wilson as (
    select
        *,
        (treated_share + z * z / (2 * treated_count)) / (1 + z * z / treated_count) as treated_centre,
        z * sqrt(treated_share * (1 - treated_share) / treated_count + z * z / (4 * treated_count * treated_count))
            / (1 + z * z / treated_count) as treated_half,
        (control_share + z * z / (2 * control_count)) / (1 + z * z / control_count) as control_centre,
        z * sqrt(control_share * (1 - control_share) / control_count + z * z / (4 * control_count * control_count))
            / (1 + z * z / control_count) as control_half
    from shares
)
select
    campaign,
    sent_on,
    treated_count,
    treated_buyers_count,
    control_count,
    control_buyers_count,
    treated_share,
    control_share,
    treated_share - control_share as uplift,
    treated_share - control_share - sqrt(
        power(treated_share - (treated_centre - treated_half), 2) + power(control_centre + control_half - control_share, 2)) as uplift_low,
    treated_share - control_share + sqrt(
        power(treated_centre + treated_half - treated_share, 2) + power(control_share - (control_centre - control_half), 2)) as uplift_high
from wilson
