-- What a machine says of itself while it waits to be confirmed, and where it asked from: its owner
-- sees both before confirming it.
alter table device_request
    add column address text,
    add column cores integer check (cores > 0),
    add column memory_bytes bigint check (memory_bytes > 0),
    add column system text check (length(system) <= 100);
