with state as (
    select account_id, event_pos as since, state,
        lead(event_pos) over (partition by account_id order by event_pos, change_no) as until
    from changes
    where what = 'state'
    union all
    select a.id, low, a.state, null
    from accounts a
    cross join span
    where not exists (select from changes c where c.what = 'state' and c.account_id = a.id)
)
select e.event_pos as pos, format('it moves %s on %s, which is closed', e.amount, e.account_id) as what
from state s
join entries e on e.account_id = s.account_id and e.event_pos > s.since
    and (s.until is null or e.event_pos < s.until)
where s.state = 'closed' and e.entry_no >= 0
