select p.event_pos as pos,
    format('attempt %s is paid %s, and no entry says so', p.attempt_id, p.amount) as what
from payments p
where not exists (
    select from entries e
    where e.event_pos = p.event_pos and e.account_id = p.lender_account and e.amount = p.amount)
