-- A job may be paused: by its consumer, because what was held is spent, or because only chunks that
-- failed are left.
alter table job add column paused text;
drop index job_open;
create index job_open on job (job_id) where state in ('running', 'paused', 'merging');
