-- Views of ads: offered, and proven by the server's clock. The log holds what was paid for them.

create table watch (
    watch_id uuid primary key,
    user_id uuid not null,
    campaign_id uuid not null,
    -- What was promised, in micro-credits; paid so even if the campaign's terms have changed since.
    price bigint not null,
    reward bigint not null check (reward > 0),
    offered_at timestamptz not null,
    proven_at timestamptz,
    check (price >= reward)
);
-- Nobody has two open offers.
create unique index watch_open on watch (user_id) where proven_at is null;
create index watch_proven on watch (user_id, proven_at) where proven_at is not null;
