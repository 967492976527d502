select null::bigint as pos, format('%s was acknowledged', k.op) as what
from acked k
where k.outcome = 'ok'
    and 1 <> (select count(distinct e.batch) from events e where e.body ->> 'op' = k.op)
