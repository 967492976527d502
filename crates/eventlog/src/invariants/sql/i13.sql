select t.accepted_pos as pos, format('attempt %s was accepted under an old lease', t.id) as what
from attempts t
join chunks c on c.id = t.chunk_id
where t.accepted_pos is not null and c.replicas = 1
    and exists (
        select from leases l
        where l.chunk_id = t.chunk_id and l.epoch > t.epoch and l.granted_pos < t.accepted_pos)
union all
select e.pos, format('lease %s ends here, and also at event %s', l.id, l.ended_pos)
from events e
join leases l on l.id = right(e.body -> 'data' ->> 'lease', 32)::uuid
where e.kind in ('jobs.attempt_reported', 'jobs.lease_ended') and l.ended_pos is distinct from e.pos
