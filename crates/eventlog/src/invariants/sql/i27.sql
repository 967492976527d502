select max(l.granted_pos) as pos,
    format('chunk %s is %s with %s leases', c.id, c.state, count(l.id)) as what
from chunks c
left join leases l on l.job_id = c.job_id and l.index = c.index and l.ended_pos is null
group by c.id, c.state, c.live
having c.live <> count(l.id)
    or (c.state = 'leased' and c.live = 0) or (c.state = 'waiting' and c.live > 0)
