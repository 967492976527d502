select event_pos as pos, format('it moves %s on %s', amount, account_id) as what
from entries
where entry_no >= 0 and (amount = 0 or currency is null)
union all
select c.event_pos, format('it reserves %s from %s for %s', c.amount, c.account_id, c.to_account_id)
from changes c
left join classes f on f.kind = split_part(c.account_id, ':', 1)
left join classes t on t.kind = split_part(c.to_account_id, ':', 1)
where c.what = 'reserved'
    and (c.amount < 0 or c.account_id = c.to_account_id or f.currency is distinct from t.currency)
