select event_pos as pos, format('%s is to be paid out, of %s that were earned', paid, earned) as what
from (
    select event_pos,
        coalesce(sum(amount) filter (where account_id = 'payout.pending'), 0) as paid,
        coalesce(-sum(amount) filter (where account_id like 'lender.available:%'), 0) as earned
    from entries
    where entry_no >= 0
    group by event_pos
) e
where paid > 0 and paid > earned
