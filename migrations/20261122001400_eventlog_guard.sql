-- The log guards itself also against whoever turns triggers off for a session, and old events and
-- balances are looked at again and again.

-- `session_replication_role` does not silence a trigger that is always on.
alter table event enable always trigger event_append_only;
alter table event enable always trigger event_no_truncate;
do $$
declare
    part regclass;
begin
    for part in select inhrelid::regclass from pg_inherits where inhparent = 'event'::regclass loop
        execute format('alter table %s enable always trigger event_append_only', part);
    end loop;
end
$$;

-- How far the round over old events and accounts is, and what the last whole one covered.
create table invariant_round (
    one boolean primary key default true check (one),
    position bigint not null default 0,
    account bigint not null default 0,
    accounts bigint not null default 0,
    whole_at timestamptz,
    whole_events bigint not null default 0,
    accounts_whole_at timestamptz,
    accounts_whole bigint not null default 0
);
insert into invariant_round default values;
grant select, update on invariant_round to medusa_app;
