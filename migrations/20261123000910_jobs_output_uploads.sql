-- Outputs of chunks come in parts too, from the agents that computed them.

-- The lease whose output it is; the owner is the agent then. Null: an upload of a person.
alter table upload add column lease_id uuid;
-- What nothing happened to for long is looked for all the time.
create index upload_touched on upload (touched_at);
