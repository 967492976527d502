-- The quote that a job was made of, for its report.
create index quote_job on quote (job_id) where job_id is not null;
