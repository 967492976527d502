-- People, their ways in, and their machines. Everything personal stands in the vault table only.

create table person_vault (
    user_id uuid primary key,
    email text not null,
    email_key text not null unique,
    name text not null,
    password_hash text not null,
    created_at timestamptz not null
);

create table person_role (
    user_id uuid not null references person_vault (user_id) on delete cascade,
    role text not null,
    primary key (user_id, role)
);

-- A login on a browser, or a refresh token of the API. Only hashes are kept.
create table login (
    token_hash bytea primary key,
    user_id uuid not null references person_vault (user_id) on delete cascade,
    kind text not null check (kind in ('browser', 'refresh')),
    csrf text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index login_user on login (user_id);

create table device_request (
    device_hash bytea primary key,
    user_code text not null unique,
    name text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    -- Set when the owner confirms; the key is handed over once and then forgotten here.
    agent_id uuid,
    agent_key text
);

create table agent (
    agent_id uuid primary key,
    owner_id uuid not null,
    name text not null,
    key_hash bytea not null unique,
    enrolled_at timestamptz not null,
    revoked_at timestamptz
);
create index agent_owner on agent (owner_id);
