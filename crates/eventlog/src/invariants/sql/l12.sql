select m.event_pos as pos,
    format('it makes %s of ad credits out of %s of an advertiser', made, used) as what
from (
    select event_pos,
        sum(amount) filter (where kind in ('consumer.ad', 'escrow.ad')) as made,
        coalesce(-sum(amount) filter (
            -- What a lender had to give back was made before.
            where kind in ('campaign.reserve', 'lender.pending', 'lender.available',
                'receivable.lender', 'income.compute_fee')), 0) as used
    from (
        select event_pos, amount, split_part(account_id, ':', 1) as kind
        from entries where entry_no >= 0
    ) e
    group by event_pos
) m
join events e on e.pos = m.event_pos
where made > 0 and made > used and e.kind <> 'billing.books_adjusted'
