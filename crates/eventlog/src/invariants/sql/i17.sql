select e.pos, format('%s was refused', k.op) as what
from acked k
join events e on e.body ->> 'op' = k.op
where k.outcome = 'refused'
