-- A chunk that had failed may be tried again: then it has another verdict, and is paid by that too.
select max(event_pos) as pos, format('chunk %s is paid by %s events', chunk_id, count(*)) as what
from (select distinct chunk_id, event_pos from payments) p
group by chunk_id
having count(*) > (
    select greatest(count(distinct verified_pos), 1) from attempts t
    where t.chunk_id = p.chunk_id
)
union all
select e.pos, format('chunk %s cost %s in all, and this event says %s',
    c.id, c.price, e.body -> 'data' ->> 'price')
from events e
join chunks c on c.job_id = right(e.body -> 'data' ->> 'job', 32)::uuid
    and c.index = (e.body -> 'data' ->> 'chunk')::integer
where e.kind = 'billing.chunk_settled'
    and c.price <> (e.body -> 'data' ->> 'price')::numeric * 1000000
    and (c.price < (e.body -> 'data' ->> 'price')::numeric * 1000000 or (
        select count(distinct verified_pos) from attempts t where t.chunk_id = c.id
    ) < 2)
union all
select p.event_pos,
    format('chunk %s pays %s lenders, and %s were right', p.chunk_id, p.paid, t.right_ones)
from (
    select chunk_id, event_pos, count(*) as paid from payments group by chunk_id, event_pos
) p
left join lateral (
    select count(*) as right_ones from attempts
    where chunk_id = p.chunk_id and verified_pos < p.event_pos
) t on true
where p.paid > t.right_ones
