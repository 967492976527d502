-- What owners ask of their machines from afar, and the keys that machines sign their results with.
alter table agent
    add column paused boolean not null default false,
    add column slots_max integer check (slots_max > 0),
    add column memory_bytes_max bigint check (memory_bytes_max > 0),
    add column public_key bytea check (length(public_key) = 32);
alter table device_request
    add column public_key bytea check (length(public_key) = 32);
