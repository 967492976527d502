-- What a consumer asked for; names and arguments are kept out of the log.
create table session_request (
    session_id uuid primary key,
    owner_id uuid not null,
    request jsonb not null,
    shards integer not null,
    created_at timestamptz not null
);

-- Read model of sessions, from the log.
create table session (
    session_id uuid primary key,
    owner_id uuid not null,
    state text not null,
    code text,
    shards integer not null,
    spares integer not null,
    rounds bigint not null,
    held bigint not null,
    spent bigint not null,
    fee bigint not null,
    per_gfuel bigint not null,
    per_start bigint not null,
    opened_at timestamptz not null,
    ended_at timestamptz
);
create index session_of_owner on session (owner_id, opened_at desc);
create index session_open on session (session_id) where state = 'open';
