-- Where other processes reach the writer: what comes to them is for it. Nothing until it answers.
alter table log_writer add column address text;
