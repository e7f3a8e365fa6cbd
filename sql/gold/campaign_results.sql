-- gold.campaign_results: one row per campaign with both arms, those mailed against those left alone.
-- A buyer is a subscriber who ordered in the web shop within seven days of the mailing, that day included: with an account of
-- the same address, or of the customer whom the subscriber was found to be. Where the interval of the uplift (95 %, Newcombe)
-- holds 0, the mail may have done nothing.
with assigned as (
    select campaign, arm, email, min(normalize_email(email)) as address, min(local_date(sent_at)) as sent_on
    from bronze.campaign_assignments
    group by campaign, arm, email
),
people as (
    select people.source, people.source_id, people.email, customer_ids.customer_id
    from silver.people as people
    join identity.customer_ids as customer_ids
        on customer_ids.source = people.source and customer_ids.source_id = people.source_id
),
accounts as (
    select source_id as web_customer_id, email, customer_id from people where source = 'webshop'
),
subscribers as (
    select email, customer_id from people where source = 'newsletter'
),
-- Which addresses an account answers for.
addresses as (
    select web_customer_id, email from accounts where email is not null
    union
    select accounts.web_customer_id, subscribers.email
    from accounts
    join subscribers on subscribers.customer_id = accounts.customer_id
),
orders as (
    select addresses.email, orders.order_id, orders.placed_on
    from silver.orders as orders
    join addresses on addresses.web_customer_id = cast(orders.web_customer_id as varchar)
    where not orders.is_cancelled
),
outcomes as (
    select assigned.campaign, assigned.arm, assigned.email, assigned.sent_on, count(orders.order_id) > 0 as has_bought
    from assigned
    left join orders
        on orders.email = assigned.address
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
    from outcomes
    group by campaign
)
select
    campaign,
    sent_on,
    treated_count,
    treated_buyers_count,
    control_count,
    control_buyers_count,
    round(share(treated_buyers_count, treated_count), 6) as treated_share,
    round(share(control_buyers_count, control_count), 6) as control_share,
    round(share(treated_buyers_count, treated_count) - share(control_buyers_count, control_count), 6) as uplift,
    round(newcombe_low(treated_buyers_count, treated_count, control_buyers_count, control_count), 6) as uplift_low,
    round(newcombe_high(treated_buyers_count, treated_count, control_buyers_count, control_count), 6) as uplift_high
from arms
where treated_count > 0 and control_count > 0
