with step (account_id, pos, moved, leaving, coming) as (
    select account_id, event_pos, amount, 0, 0 from entries
    union all
    select account_id, greatest(reserved_pos, low), 0, amount, 0
    from reservations, span where reserved_pos <= high
    union all
    select account_id, resolved_pos, 0, -amount, 0
    from reservations, span where resolved_pos <= high
    union all
    select to_account_id, greatest(reserved_pos, low), 0, 0, amount
    from reservations, span where reserved_pos <= high
    union all
    select to_account_id, resolved_pos, 0, 0, -amount
    from reservations, span where resolved_pos <= high
)
select distinct pos, format('it takes %s beyond its limit', account_id) as what
from (
    select account_id, pos, sum(moved) over own as posted, sum(leaving) over own as leaving,
        sum(coming) over own as coming
    from step
    where account_id in (
        select e.account_id from entries e union all select b.account_id from balances b)
    -- Everything that one event does counts together.
    window own as (partition by account_id order by pos)
) s
join classes c on c.kind = split_part(account_id, ':', 1)
where (not c.may_go_negative and posted < leaving) or (not c.may_go_positive and posted + coming > 0)
