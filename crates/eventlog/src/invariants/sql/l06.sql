select max(event_pos) as pos, format('reservation %s ends %s times', reservation_id, count(*)) as what
from changes
where what = 'resolved'
group by reservation_id
having count(*) > 1
union all
select c.event_pos, format('reservation %s is not as this event says', c.reservation_id)
from changes c
left join reservations r on r.id = c.reservation_id
cross join span
where (c.what = 'reserved'
        and (r.id is null or r.reserved_pos <> c.event_pos or r.amount <> c.amount
            or r.account_id <> c.account_id or r.to_account_id <> c.to_account_id))
    or (c.what = 'resolved'
        and (r.id is null or r.resolved_pos is distinct from c.event_pos or r.state <> c.state
            or r.posted <> c.amount or c.amount > r.amount))
union all
select b.as_of_pos, format('%s sets %s aside to leave and %s to come in, not what is reserved',
    b.account_id, b.debits_pending, b.credits_pending)
from balances b
left join (
    select account_id, sum(leaving) as leaving, sum(coming) as coming
    from (
        select account_id, amount as leaving, 0 as coming, reserved_pos, resolved_pos
        from reservations
        union all
        select to_account_id, 0, amount, reserved_pos, resolved_pos from reservations
    ) as ends
    cross join span
    where reserved_pos <= high and (resolved_pos is null or resolved_pos > high)
    group by account_id
) o using (account_id)
cross join span
where b.as_of_pos <= high
    and (b.debits_pending <> coalesce(o.leaving, 0) or b.credits_pending <> coalesce(o.coming, 0))
