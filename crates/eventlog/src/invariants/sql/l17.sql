select as_of_pos as pos, format('rounding has come to %s micro-credits', balance) as what
from audit.balances
where account_id = 'rounding' and abs(balance) > 1000000
