select e.pos, format('adjustment %s of %s is not one of two other persons', d.id, d.account_id) as what
from events e
cross join lateral (
    select right(e.body -> 'data' ->> 'adjustment', 32)::uuid as id,
        e.body -> 'data' ->> 'account' as account_id, (e.body -> 'data' ->> 'amount')::bigint as amount,
        e.body -> 'data' ->> 'reason' as reason, e.body -> 'data' ->> 'proposed_by' as proposed_by,
        e.body -> 'data' ->> 'approved_by' as approved_by
) d
left join adjustments a on a.id = d.id
where e.kind = 'billing.books_adjusted'
    and (d.proposed_by = d.approved_by or d.reason = ''
        or split_part(d.account_id, ':', 2) in (d.proposed_by, d.approved_by)
        or a.id is null or a.ticket = '' or a.explanation = ''
        or a.account_id <> d.account_id or a.amount <> d.amount
        or d.amount <> coalesce((
            select sum(m.amount) from entries m
            where m.event_pos = e.pos and m.account_id = d.account_id), 0))
