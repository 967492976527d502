with told as (
    select pos, (body -> 'data' ->> 'price')::numeric * 1000000 as price,
        (body -> 'data' ->> 'fee')::numeric * 1000000
            + coalesce((
                select sum((share ->> 'amount')::numeric * 1000000)
                from jsonb_array_elements(body -> 'data' -> 'shares') as share), 0) as parts,
        'escrow.' as source
    from events
    where kind = 'billing.chunk_settled'
    union all
    select e.pos, (e.body -> 'data' ->> 'price')::numeric * 1000000,
        (e.body -> 'data' ->> 'reward')::numeric * 1000000
            + coalesce((
                select sum(m.amount) from entries m
                where m.event_pos = e.pos and m.account_id = 'income.ad_margin'), 0),
        'campaign.reserve:'
    from events e
    where e.kind = 'ads.watch_rewarded'
)
select t.pos,
    format('its price is %s, its parts come to %s, and %s was taken', price, parts, taken) as what
from told t
cross join lateral (
    select coalesce(-sum(m.amount), 0) as taken from entries m
    where m.event_pos = t.pos and starts_with(m.account_id, t.source)
) m
where price <> parts or price <> taken
