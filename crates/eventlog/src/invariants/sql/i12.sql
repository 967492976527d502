select l.granted_pos as pos, format('lease %s lives, and its job has ended', l.id) as what
from leases l
where l.ended_pos is null
    and l.job_id in (select id from jobs where state in ('done', 'failed', 'cancelled'))
