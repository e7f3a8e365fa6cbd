-- silver.receipt_lines: one row per line of a till receipt; a return is a receipt with negative amounts.
-- `receipt_no` counts within a store, so a receipt is named by both. The store's country sets the currency.
select
    store_id || '/' || receipt_no as receipt_id,
    line_no,
    store_id,
    substr(store_id, 1, 2) as country,
    till,
    sold_at,
    local_date(sold_at) as sold_on,
    card_no,
    article_no,
    quantity,
    case substr(store_id, 1, 2) when 'SE' then 'SEK' when 'NO' then 'NOK' when 'DK' then 'DKK' end as currency,
    amount as line_amount,
    vat_amount
from bronze.pos_receipts
