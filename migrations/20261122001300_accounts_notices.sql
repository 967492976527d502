-- What people are told outside the website: by mail, and at addresses of their own.

create table webhook (
    webhook_id uuid primary key,
    owner_id uuid not null,
    url text not null,
    -- Signs every delivery; its owner has it too.
    secret bytea not null check (length(secret) = 32),
    created_at timestamptz not null,
    -- Since when nothing arrives there.
    failing_since timestamptz,
    -- It was given up; its owner may send to it again.
    stopped_at timestamptz
);
create index webhook_owner on webhook (owner_id, created_at);

-- Who does not want mail; everybody else gets it.
create table mail_refused (
    user_id uuid primary key
);

create table notice (
    notice_id uuid primary key,
    owner_id uuid not null,
    -- Where it goes; nothing means mail.
    webhook_id uuid references webhook (webhook_id) on delete cascade,
    -- What happened, like `job.done`.
    kind text not null,
    -- The event that it tells of; nothing for a test.
    position bigint,
    body text not null,
    created_at timestamptz not null,
    state text not null check (state in ('waiting', 'delivered', 'given_up')),
    tries integer not null default 0,
    -- The next try.
    due_at timestamptz not null,
    -- What the other side said last.
    answer text,
    done_at timestamptz
);
create unique index notice_once on notice (position, owner_id, webhook_id) nulls not distinct
    where position is not null;
create index notice_due on notice (due_at) where state = 'waiting';
create index notice_owner on notice (owner_id, created_at desc);

grant select, insert, update, delete on webhook, mail_refused, notice to medusa_app;
