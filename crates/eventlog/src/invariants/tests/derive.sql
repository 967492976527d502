-- Jobs, chunks and leases out of the log, in the plainest way.
create temp view f as
select pos, kind, at, body -> 'data' as d, right(body -> 'data' ->> 'job', 32)::uuid as job,
    (body -> 'data' ->> 'chunk')::integer as chunk, right(body -> 'data' ->> 'lease', 32)::uuid as lease
from audit.events where kind like 'jobs.%' or kind like 'billing.%';

insert into lease
select l.lease, l.job, l.chunk, right(l.d ->> 'agent', 32)::uuid,
    right(l.d ->> 'lender', 32)::uuid, (l.d -> 'epoch')::bigint, (l.d -> 'fuel_limit')::bigint,
    l.pos, now(), e.pos, e.d -> 'outcome', null, (e.d -> 'fuel')::bigint, v.pos, p.amount
from f l
left join f e on e.lease = l.lease and e.kind in ('jobs.lease_ended', 'jobs.attempt_reported')
left join f v on v.kind = 'jobs.chunk_verified' and v.d -> 'right' ? (l.d ->> 'lease')
left join audit.payments p on p.attempt_id = l.lease
where l.kind = 'jobs.chunk_leased';

insert into chunk
select j.job, n, case
        when exists (
            select from f v
            where v.kind = 'jobs.chunk_verified' and v.job = j.job and v.chunk = n
        ) then 'verified'
        when l.live > 0 then 'leased' else 'waiting' end,
    l.live, l.leases, null, null, null, null,
    coalesce((select sum((s.d ->> 'price')::numeric * 1000000) from f s
        where s.kind = 'billing.chunk_settled' and s.job = j.job and s.chunk = n), 0)
from f j
cross join lateral generate_series(0, (j.d -> 'chunks')::integer - 1) as n
cross join lateral (
    select count(*) as leases, count(*) filter (where ended_position is null) as live
    from lease where job_id = j.job and chunk = n
) l
where j.kind = 'jobs.job_submitted';

insert into job
select j.job, right(j.d ->> 'owner', 32)::uuid, '', null, coalesce(e.d ->> 'state', 'running'), null, 2,
    0, 0, 0, 0, 0, (j.d ->> 'hold')::numeric * 1000000, s.price, s.fee,
    coalesce((select sum(amount) from audit.entries m join f r on r.pos = m.event_pos
        where r.kind = 'billing.escrow_released' and r.job = j.job and m.amount > 0), 0),
    j.at, e.at, '[]', (select max(pos) from f where f.job = j.job)
from f j
left join f e on e.kind = 'jobs.job_ended' and e.job = j.job
cross join lateral (
    select coalesce(sum((d ->> 'price')::numeric * 1000000), 0) as price,
        coalesce(sum((d ->> 'fee')::numeric * 1000000), 0) as fee
    from f where kind = 'billing.chunk_settled' and f.job = j.job
) s
where j.kind = 'jobs.job_submitted';
