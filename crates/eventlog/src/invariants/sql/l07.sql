select max(event_pos) as pos, format('what the key %s has written does not stand together', key) as what
from idem
group by owner, key
having max(event_pos) - min(event_pos) + 1 <> count(*) or count(distinct batch) > 1
