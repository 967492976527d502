select p.event_pos as pos, format('attempt %s is paid by its own lender', p.attempt_id) as what
from payments p
join attempts t on t.id = p.attempt_id
where exists (select from jobs j where j.id = p.job_id and j.owner = t.lender)
