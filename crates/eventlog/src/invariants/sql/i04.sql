select null::bigint as pos, format('all entries in %s sum to %s', currency, sum(amount)) as what
from entries
where entry_no >= 0
group by currency
having sum(amount) <> 0
