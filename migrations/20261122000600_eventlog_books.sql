-- The books leave the log's transaction: a batch writes its events, its operations and the head in
-- one call; balances, statements and reservations are read from the log right after it.

-- The contract views are made anew below, over the new tables.
drop schema audit cascade;

-- Whoever runs the house's programs, and whoever may only read. Roles belong to the whole cluster:
-- another database may be making them at this moment.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['medusa_app', 'auditor'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
end
$$;

-- Versions of streams are found through the index; its keys are numbers, whatever a stream's name.
drop table stream_head;
drop index event_stream;
create index event_stream on event (hashtextextended(stream, 0), version);

-- Who writes, and when it was last heard of. The fence is the epoch in log_head; this only tells a
-- standby when to take over.
create table log_writer (
    one boolean primary key default true check (one),
    epoch bigint not null,
    alive_at timestamptz not null
) with (fillfactor = 10);
insert into log_writer (epoch, alive_at) values (0, 'epoch');

-- The number that stands for an operation's key: a digest, but led by the time of the last id in
-- the key that has one, so that what is written together lies together.
create function operation_id(key text) returns uuid language sql immutable as $$
    select (
        coalesce(
            (select substr(replace(part[1], '-', ''), 1, 12)
             from regexp_matches(
                 key,
                 '(?:^|[:_])([0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12})(?=:|$)',
                 'g') with ordinality as found (part, n)
             order by n desc limit 1),
            substr(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 1, 12))
        || substr(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 13, 20))::uuid
$$;

create table operation_done (
    id uuid primary key,
    -- The first half of the hash of what was asked for.
    request uuid not null,
    -- The last event that it wrote; nothing when the books refused it for good.
    position bigint,
    refusal text,
    check ((position is null) <> (refusal is null))
);
insert into operation_done (id, request, position)
select operation_id(key), encode(substr(request, 1, 16), 'hex')::uuid, position from operation;
drop table operation;
alter table operation_done rename to operation;
alter index operation_done_pkey rename to operation_pkey;

drop table ledger_entry;
drop table ledger_account;
create table ledger_account (
    -- In the order of their first appearance in the log.
    id bigint primary key,
    account text collate "C" not null unique,
    code smallint not null,
    currency text not null,
    -- Credit side positive, in the currency's smallest unit.
    balance bigint not null,
    debits_pending bigint not null,
    credits_pending bigint not null,
    state text not null,
    lines bigint not null,
    -- The last event that touched it.
    position bigint not null
) with (fillfactor = 50);

-- Lines of statements, some of one account in a row: pages are only ever added.
create table statement_page (
    account_id bigint not null,
    first_position bigint not null,
    last_position bigint not null,
    -- The balance before the first line.
    opening bigint not null,
    -- Of each line: how far its event lies behind the first, its place in it, and what moved.
    offsets integer[] not null,
    entries smallint[] not null,
    amounts bigint[] not null,
    primary key (account_id, last_position, first_position)
);
create index statement_page_positions on statement_page using brin (first_position);

create table reservation (
    pending_id uuid primary key,
    from_account text collate "C" not null,
    to_account text collate "C" not null,
    amount bigint not null,
    expires_at timestamptz,
    state text not null,
    -- What was moved of it.
    posted bigint not null default 0,
    reserved_position bigint not null,
    resolved_position bigint
);
create index reservation_open on reservation (expires_at) where state = 'open';

-- Full tiles of the tree: 256 hashes each, never changed.
create table merkle_tile (
    level smallint not null,
    index bigint not null,
    hashes bytea not null check (length(hashes) = 8192),
    primary key (level, index)
);
alter table merkle_tile alter column hashes set storage external;

-- Witnesses that have signed a checkpoint of ours.
create table cosignature (
    size bigint not null references checkpoint (size),
    witness text not null,
    line text not null,
    at timestamptz not null,
    primary key (size, witness)
);

alter table projection add column rebuilt_at timestamptz;
alter table projection add column rebuild_ms bigint;
-- Rows that a rebuild found different.
alter table projection add column differences bigint;

-- What the continuous check found last, one row for each invariant.
create table invariant (
    id text primary key,
    checked_at timestamptz not null,
    -- Up to here it was checked.
    position bigint not null,
    bad bigint not null,
    first_bad bigint,
    detail text not null
);

-- Events beyond the last partition would fall into the default one: the next is made in time.
create function log_partitions(upto bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    size constant bigint := 10000000;
    n bigint;
    name text;
begin
    for n in 0 .. upto / size loop
        name := 'event_p' || n;
        if to_regclass(name) is null then
            execute format('create table %I (like event including all)', name);
            execute format(
                'alter table event attach partition %I for values from (%s) to (%s)',
                name, n * size + 1, (n + 1) * size + 1);
            execute format('revoke all on %I from medusa_app', name);
            execute format('grant select on %I to medusa_app', name);
        end if;
    end loop;
end
$$;

-- Writes one batch: all of it, or nothing. The head is guarded first, so that a writer that was
-- overtaken fails before anything else.
create function log_append(
    before bigint, writer_epoch bigint, new_batch bigint, new_at timestamptz,
    new_frontier bytea[], new_root bytea,
    streams text[], versions bigint[], types text[], bodies bytea[], leaves bytea[],
    ids uuid[], requests uuid[], positions bigint[], refusals text[]
) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    after constant bigint := before + cardinality(streams);
begin
    update log_head
    set position = after, batch = new_batch, frontier = new_frontier, root = new_root, at = new_at
    where position = before and epoch = writer_epoch;
    if not found then
        raise exception 'another writer took over' using errcode = 'MD001';
    end if;
    insert into event (position, batch, stream, version, type, at, body, leaf)
    -- In the select list arrays are unrolled row by row; in the from clause all of them are first
    -- copied aside.
    select before + n, new_batch, stream, version, type, new_at, body, leaf
    from (
        select generate_subscripts(streams, 1) as n, unnest(streams) as stream,
               unnest(versions) as version, unnest(types) as type, unnest(bodies) as body,
               unnest(leaves) as leaf
    ) as row;
    insert into operation (id, request, position, refusal)
    select unnest(ids), unnest(requests), unnest(positions), unnest(refusals);
    perform pg_notify('medusa_log', after::text);
end
$$;

-- A new writer fences the one before.
create function log_take_over() returns bigint
language sql security definer set search_path = public, pg_temp as $$
    update log_head set epoch = epoch + 1 returning epoch
$$;

-- Ends the connection that holds this lock: its process is silent, and fenced.
create function log_evict(lock bigint) returns void
language sql security definer set search_path = public, pg_temp as $$
    select pg_terminate_backend(pid) from pg_locks
    where locktype = 'advisory' and granted and pid <> pg_backend_pid()
        and database = (select oid from pg_database where datname = current_database())
        and (classid::bigint << 32) | objid::bigint = lock
$$;

-- Rights: the application adds to the log through the functions above and changes nothing in it.
grant usage on schema public to medusa_app, auditor;
grant select, insert, update, delete on all tables in schema public to medusa_app;
alter default privileges in schema public
    grant select, insert, update, delete on tables to medusa_app;
revoke insert, update, delete, truncate on event, event_p0, event_rest, log_head, operation
    from medusa_app;
revoke update, delete, truncate on checkpoint, cosignature from medusa_app;
revoke execute on function log_append, log_take_over, log_partitions, log_evict from public;
grant execute on function log_append, log_take_over, log_partitions, log_evict to medusa_app;

-- Adjustments that two admins make together. The log has the ones that were approved.
create table adjustment (
    adjustment_id uuid primary key,
    account text collate "C" not null,
    amount bigint not null,
    reason text not null,
    explanation text not null,
    ticket text not null,
    state text not null,
    proposed_by uuid not null,
    proposed_at timestamptz not null,
    decided_by uuid,
    decided_at timestamptz,
    position bigint,
    check (decided_by is null or decided_by <> proposed_by or state = 'withdrawn')
);
create index adjustment_newest on adjustment (proposed_at desc, adjustment_id);

-- Whose credits an escrow holds.
create table escrow_owner (
    job_id uuid primary key,
    owner_id uuid not null
);
create index escrow_owner_owner on escrow_owner (owner_id);
