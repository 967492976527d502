-- The tasks of a machine, newest first, without looking through those of all others. It stands in
-- for the index that only had those that were paid.
create index lease_agent_ended on lease (agent_id, lease_id) where ended_position is not null;
drop index lease_agent;
