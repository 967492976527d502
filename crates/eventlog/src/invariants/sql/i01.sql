select coalesce(before, low) + 1 as pos, 'this event is missing' as what
from (select pos, lag(pos) over (order by pos) as before from events) e
cross join span
where pos - coalesce(before, low) <> 1
union all
select coalesce((select max(pos) from events), low) + 1, 'the log ends before its head'
from span
where coalesce((select max(pos) from events), low) <> high
