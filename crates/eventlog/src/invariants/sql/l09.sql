select j.as_of_pos as pos, format('%s is not closed, and its job has ended', j.escrow_account) as what
from jobs j
left join accounts a on a.id = j.escrow_account
where j.state in ('done', 'failed', 'cancelled') and (a.id is null or a.state <> 'closed')
union all
select distinct j.as_of_pos, format('job %s has ended with %s of %s accounted for',
    j.id, j.spent + j.released, j.held)
from jobs j
where j.state in ('done', 'failed', 'cancelled') and j.held <> j.spent + j.released
