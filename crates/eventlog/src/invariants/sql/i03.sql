select event_pos as pos, format('its entries in %s sum to %s', currency, sum(amount)) as what
from entries
where entry_no >= 0
group by event_pos, currency
having sum(amount) <> 0
