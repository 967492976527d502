select event_pos as pos, format('it overdraws %s by %s', account_id, -standing) as what
from (
    select account_id, event_pos, sum(amount) over own as standing, lead(event_pos) over own as next
    from entries
    window own as (partition by account_id order by event_pos, entry_no)
) e
join classes c on c.kind = split_part(account_id, ':', 1)
where not c.may_go_negative and standing < 0 and next is distinct from event_pos
