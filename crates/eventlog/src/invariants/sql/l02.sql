select null::bigint as pos,
    format('in %s all balances sum to %s, %s are set aside to leave and %s to come in',
        currency, sum(balance), sum(debits_pending), sum(credits_pending)) as what
from audit.balances
group by currency
having sum(balance) <> 0 or sum(debits_pending) <> sum(credits_pending)
