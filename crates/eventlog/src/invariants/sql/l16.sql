select e.event_pos as pos, format('%s takes %s from %s', v.kind, -e.amount, e.account_id) as what
from entries e
join events v on v.pos = e.event_pos
where e.entry_no >= 0 and e.amount < 0 and e.account_id like 'lender.available:%'
    and v.kind <> 'billing.books_adjusted'
    and not (v.kind = 'billing.escrow_held'
        and split_part(e.account_id, ':', 2) = v.body -> 'data' ->> 'owner')
