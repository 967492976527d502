-- What was submitted, and the read models of jobs, chunks, leases and attempts.

create table blob_owner (
    sha256 bytea not null,
    owner_id uuid not null,
    size bigint not null,
    created_at timestamptz not null,
    primary key (sha256, owner_id)
);

create table program (
    program_id uuid primary key,
    owner_id uuid not null,
    -- Registered by the operator for everybody.
    is_public boolean not null default false,
    name text not null,
    sha256 bytea not null,
    size bigint not null,
    created_at timestamptz not null
);
create index program_owner on program (owner_id);

create table example (
    example_id text primary key,
    about text not null,
    program_id uuid not null references program (program_id),
    input bytea,
    spec jsonb not null
);

create table quote (
    quote_id uuid primary key,
    owner_id uuid not null,
    program_id uuid not null,
    input bytea,
    spec jsonb not null,
    quote jsonb not null,
    job_id uuid,
    expires_at timestamptz not null
);

-- The consumer's own words, and the plan of the chunks. The log only holds their hash.
create table submission (
    job_id uuid primary key,
    program_name text not null,
    spec jsonb not null,
    plan jsonb not null,
    -- Why it failed, in words; the log only has a code.
    reason text
);

create table job (
    job_id uuid primary key,
    owner_id uuid not null,
    program bytea not null,
    input bytea,
    state text not null,
    code text,
    chunks integer not null,
    waiting integer not null,
    leased integer not null,
    verified integer not null,
    unverified integer not null,
    failed integer not null,
    held bigint not null,
    spent bigint not null,
    fee bigint not null,
    released bigint not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    results jsonb not null,
    position bigint not null
) with (fillfactor = 50);
create index job_owner on job (owner_id, job_id);
create index job_open on job (job_id) where state in ('running', 'merging');

create table chunk (
    job_id uuid not null,
    index integer not null,
    state text not null,
    live integer not null,
    attempts integer not null,
    verdict text,
    outcome jsonb,
    output bytea,
    fuel bigint,
    price bigint not null,
    primary key (job_id, index)
) with (fillfactor = 50);

create table lease (
    lease_id uuid primary key,
    job_id uuid not null,
    chunk integer not null,
    agent_id uuid not null,
    lender_id uuid not null,
    epoch bigint not null,
    fuel_limit bigint not null,
    granted_position bigint not null,
    expires_at timestamptz not null,
    ended_position bigint,
    -- What the agent reported, if it did.
    outcome jsonb,
    output bytea,
    fuel bigint,
    verified_position bigint,
    paid bigint
) with (fillfactor = 50);
create index lease_chunk on lease (job_id, chunk);
create index lease_agent on lease (agent_id) where paid is not null;

-- Standard error is the consumer's text, so it stays out of the log.
create table attempt_log (
    lease_id uuid primary key,
    job_id uuid not null,
    chunk integer not null,
    stderr text not null
);
create index attempt_log_chunk on attempt_log (job_id, chunk);

create table agent_record (
    agent_id uuid primary key,
    streak integer not null,
    chunks bigint not null,
    earned bigint not null
) with (fillfactor = 50);
