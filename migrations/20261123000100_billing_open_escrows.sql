-- A wallet is what stands on the accounts of a person and of the jobs that are not over: what it
-- costs to read must not grow with the jobs that are.
alter table escrow_owner add column released_position bigint;

update escrow_owner o set released_position = e.position
from event e
where e.type = 'billing.escrow_released'
    and o.job_id = right(convert_from(e.body, 'UTF8')::jsonb #>> '{data,job}', 32)::uuid;

drop index escrow_owner_owner;
create index escrow_owner_open on escrow_owner
    (owner_id, coalesce(released_position, 9223372036854775807));
