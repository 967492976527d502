-- The records of agents: what their results were worth so far, and what moved it.

create table agent_standing (
    agent_id uuid primary key,
    -- Right replicated results in a row.
    streak integer not null,
    score integer not null,
    -- Earned, and can still be lost.
    stake bigint not null,
    -- Proven wrong results that have not faded.
    strikes integer not null,
    struck_at timestamptz,
    -- Leases at the same time.
    allowance integer not null,
    failed_at timestamptz,
    -- Of the last event that changed it.
    position bigint not null
) with (fillfactor = 50);
create index agent_standing_position on agent_standing (position);

-- One row for each fault and each pardon; right results are only counted.
create table agent_mark (
    agent_id uuid not null,
    position bigint not null,
    word text not null,
    job_id uuid,
    chunk integer,
    at timestamptz not null,
    -- What the record was after it.
    streak integer not null,
    score integer not null,
    primary key (agent_id, position)
);

-- Streaks of before are kept; they were the only record.
insert into agent_standing (agent_id, streak, score, stake, strikes, allowance, position)
select agent_id, streak, streak, earned, 0, 16, 0 from agent_record;
-- Nobody writes or reads it any more; a later release drops it.
alter table agent_record alter column streak set default 0;
