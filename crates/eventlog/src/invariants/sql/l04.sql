select coalesce(e.event_pos, s.event_pos) as pos,
    format('the statement of %s says %s, the event %s',
        coalesce(e.account_id, s.account_id), coalesce(s.amount::text, 'nothing'),
        coalesce(e.amount::text, 'nothing')) as what
from (select * from entries where entry_no >= 0) e
full join statements s
    on s.account_id = e.account_id and s.event_pos = e.event_pos and s.entry_no = e.entry_no
where s.amount is distinct from e.amount
union all
select s.event_pos, format('the statement of %s says %s after it', s.account_id, s.balance)
from (
    select account_id, event_pos, entry_no,
        sum(amount) over (partition by account_id order by event_pos, entry_no) as balance
    from entries
) e
join statements s
    on s.account_id = e.account_id and s.event_pos = e.event_pos and s.entry_no = e.entry_no
where s.balance <> e.balance
union all
select t.last, format('%s was last touched by event %s, and says %s', account_id, t.last, b.as_of_pos)
from balances b
join (
    select account_id, max(pos) as last
    from (
        select account_id, event_pos as pos from entries where entry_no >= 0
        union all
        select account_id, event_pos from changes
        union all
        select to_account_id, event_pos from changes
        union all
        select unnest(array[r.account_id, r.to_account_id]), c.event_pos
        from changes c join reservations r on r.id = c.reservation_id
    ) as touched
    group by account_id
) t using (account_id)
cross join span
where b.as_of_pos <= high and b.as_of_pos <> t.last
