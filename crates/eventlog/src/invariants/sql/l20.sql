select event_pos as pos, format('after it all balances in %s sum to %s', currency, total) as what
from (
    select currency, event_pos,
        sum(sum(amount)) over (partition by currency order by event_pos) as total
    from entries
    where entry_no >= 0
    group by currency, event_pos
) e
where total <> 0
