select max(p.event_pos) as pos,
    format('chunk %s has %s payments for %s copies', c.id, count(*), c.replicas) as what
from chunks c
join payments p on p.chunk_id = c.id
group by c.id, c.replicas
having count(*) > c.replicas
