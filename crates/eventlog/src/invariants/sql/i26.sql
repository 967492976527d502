select j.as_of_pos as pos,
    format('job %s holds %s more than is paid, given back and still held',
        j.id, j.held - j.spent - j.released - coalesce(sum(b.balance), 0)) as what
from jobs j
left join balances b on b.account_id = j.escrow_account
where j.state is not null
group by j.id, j.as_of_pos, j.held, j.spent, j.released
having j.held <> j.spent + j.released + coalesce(sum(b.balance), 0)
