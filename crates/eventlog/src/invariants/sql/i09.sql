select p.event_pos as pos, format('attempt %s is paid before its verdict', p.attempt_id) as what
from payments p
left join attempts t on t.id = p.attempt_id
where t.id is null or t.verified_pos is null or t.verified_pos >= p.event_pos
