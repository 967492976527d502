-- How long files of jobs are kept, and which blobs nobody needs any more.

-- Jobs whose input and results are deleted, as the log tells it.
create table job_files (
    job_id uuid primary key,
    deleted_at timestamptz not null,
    why text not null check (why in ('asked', 'retention')),
    position bigint not null
);

-- Of these, the ones whose blobs were looked through.
create table job_files_swept (
    job_id uuid primary key
);

-- What a job needs besides its module and its input: files of its archive, its decoded picture, its
-- script. Noted before anything is swept.
create table job_blob (
    sha256 bytea not null,
    job_id uuid not null,
    primary key (sha256, job_id)
);
create index job_blob_job on job_blob (job_id);
create table job_blob_noted (
    job_id uuid primary key
);

-- Blobs that nobody needed when it was looked; they wait there until they are gone for good.
create table blob_trash (
    sha256 bytea primary key,
    since timestamptz not null
);

create index job_finished on job (finished_at) where finished_at is not null;
create index job_input on job (input) where input is not null;
create index program_sha256 on program (sha256);
create index blob_owner_age on blob_owner (created_at);
