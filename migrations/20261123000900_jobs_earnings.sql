-- What agents earned by the quarter of an hour: every time zone is whole quarters away from UTC, so
-- days of any of them are sums of rows.
create table agent_earning (
    agent_id uuid not null,
    -- Quarters of an hour since 1970.
    quarter integer not null,
    chunks bigint not null,
    earned bigint not null,
    primary key (agent_id, quarter)
) with (fillfactor = 50);

insert into agent_earning (agent_id, quarter, chunks, earned)
select l.agent_id, floor(extract(epoch from e.at) / 900)::integer, count(*), sum(l.paid)
from lease l
join event e on e.position = l.verified_position
where l.paid is not null
group by 1, 2;
