-- The plan of a quote's chunks, as the JSON bytes whose hash goes into the log with the job. A job
-- takes the plan of its quote; jobs from before have theirs in `submission.plan`.
create table plan (
    quote_id uuid primary key,
    sha256 bytea not null,
    json bytea not null,
    -- Bytes of the largest chunk's input.
    largest bigint not null
);

alter table submission alter column plan drop not null;
alter table submission add column quote_id uuid;
