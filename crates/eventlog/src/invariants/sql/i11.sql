select b.as_of_pos as pos,
    format('%s holds %s, and its job has ended', j.escrow_account, b.balance) as what
from jobs j
join balances b on b.account_id = j.escrow_account
where j.state in ('done', 'failed', 'cancelled') and b.balance <> 0
