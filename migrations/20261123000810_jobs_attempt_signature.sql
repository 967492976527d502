-- Signatures of reports, each beside the key that it is of: who has the log can check them.
create table attempt_signature (
    lease_id uuid primary key,
    public_key bytea not null check (length(public_key) = 32),
    signature bytea not null check (length(signature) = 64)
);
