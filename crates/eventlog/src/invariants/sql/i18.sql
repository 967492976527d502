select pos, 'its time lies before that of the event before it' as what
from (select pos, at, lag(at) over (order by pos) as before from events) e
cross join span
where at < coalesce(before, low_at)
