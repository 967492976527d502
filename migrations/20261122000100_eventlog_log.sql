-- The append-only log, the one writer's head row, and the ledger balances that commit with it.

create table event (
    position bigint not null,
    batch bigint not null,
    stream text not null,
    version bigint not null,
    type text not null,
    at timestamptz not null,
    -- The stored bytes are the hashed bytes; nothing is ever serialised again.
    body bytea not null,
    leaf bytea not null check (length(leaf) = 32),
    primary key (position)
) partition by range (position);

create table event_p0 partition of event for values from (1) to (10000001);
-- What has no partition of its own yet still has a place.
create table event_rest partition of event default;
create index event_stream on event (stream, version);
create index event_at on event using brin (at);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name;
end
$$;

create trigger event_append_only before update or delete on event
    for each row execute function refuse_change();
create trigger event_no_truncate before truncate on event
    for each statement execute function refuse_change();

create table log_head (
    one boolean primary key default true check (one),
    position bigint not null,
    batch bigint not null,
    -- Fencing: a writer that was paused while another took over finds another epoch here.
    epoch bigint not null,
    frontier bytea[] not null,
    root bytea not null,
    at timestamptz not null
);
insert into log_head (position, batch, epoch, frontier, root, at)
values (0, 0, 0, '{}', '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'epoch');

create table stream_head (
    stream text primary key,
    version bigint not null
) with (fillfactor = 50);

create table ledger_account (
    account text primary key,
    code smallint not null,
    -- Credit side positive, in micro-credits.
    balance bigint not null,
    position bigint not null
) with (fillfactor = 50);

create table ledger_entry (
    account text not null,
    position bigint not null,
    entry smallint not null,
    amount bigint not null,
    balance bigint not null,
    primary key (account, position, entry)
);
create index ledger_entry_position on ledger_entry (position);

create table operation (
    key text primary key,
    request bytea not null,
    position bigint not null,
    at timestamptz not null
);

create table checkpoint (
    size bigint primary key,
    root bytea not null,
    note text not null,
    at timestamptz not null
);

create table projection (
    name text primary key,
    position bigint not null
) with (fillfactor = 10);
