select coalesce(b.as_of_pos, e.last) as pos,
    format('%s stands at %s, and its entries come to %s',
        account_id, coalesce(b.balance, 0), coalesce(e.total, 0)) as what
from balances b
full join (
    select account_id, sum(amount) as total, max(event_pos) as last from entries group by account_id
) e using (account_id)
where coalesce(b.balance, 0) <> coalesce(e.total, 0)
