select event_pos as pos, format('it takes %s below what has matured', account_id) as what
from (
    select account_id, event_pos, sum(amount) over own as standing, lead(event_pos) over own as next
    from entries
    where account_id like 'lender.available:%'
    window own as (partition by account_id order by event_pos, entry_no)
) e
where standing < 0 and next is distinct from event_pos
