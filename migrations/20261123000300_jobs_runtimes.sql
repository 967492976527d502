-- Interpreters that scripts may be run by, and programs that are scripts.

create table runtime (
    name text not null,
    version text not null,
    suffix text not null,
    about text not null,
    sha256 bytea not null,
    size bigint not null,
    -- How it runs a script. Jobs depend on it, so it never changes for a version.
    calling jsonb not null,
    added_at timestamptz not null,
    retired_at timestamptz,
    primary key (name, version)
);
-- Of each name, one version is offered at a time.
create unique index runtime_offered on runtime (name) where retired_at is null;

alter table program
    -- The script's text; then sha256 and size are those of the runtime's module.
    add column script bytea,
    add column script_size bigint,
    add column runtime text,
    add column runtime_version text,
    add foreign key (runtime, runtime_version) references runtime (name, version),
    add check ((script is null) = (runtime is null) and (script is null) = (script_size is null)
        and (runtime is null) = (runtime_version is null));
