-- Uploads in parts, that can go on after anything. The bytes stand in the object store.

create table upload (
    upload_id uuid primary key,
    owner_id uuid not null,
    size bigint not null check (size > 0),
    -- What the whole must have, when its sender knew.
    announced bytea,
    received bigint not null default 0,
    -- Bytes that are joined already.
    joined bigint not null default 0,
    state text not null check (state in ('open', 'joining', 'done', 'refused')),
    -- The blob that it became.
    blob bytea,
    touched_at timestamptz not null
);
create index upload_owner on upload (owner_id);
create index upload_state on upload (state, touched_at);

create table upload_part (
    upload_id uuid not null references upload (upload_id) on delete cascade,
    first_byte bigint not null,
    bytes bigint not null,
    -- Its name in the object store.
    part_id uuid not null,
    primary key (upload_id, first_byte)
);
