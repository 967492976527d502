select event_pos as pos, format('%s leaves the range of amounts', account_id) as what
from (
    select account_id, event_pos,
        sum(amount) over (partition by account_id order by event_pos, entry_no) as standing
    from entries
) e
where standing not between -9223372036854775808 and 9223372036854775807
