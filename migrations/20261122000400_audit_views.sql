-- The contract with auditors: outsiders build on these views.

create schema audit;

create view audit.events as
select position as pos, at, type as kind, convert_from(body, 'UTF8')::jsonb as body, leaf
from event;

create view audit.accounts as
select account as id, split_part(account, ':', 2) as owner, split_part(account, ':', 1) as kind,
       'CRD'::text as currency, code >= 5000 or code between 1000 and 1999 or code between 3000 and 3999
           or code >= 9000 as may_go_negative
from ledger_account;

create view audit.entries as
select position as event_pos, entry as entry_no, account as account_id, 'CRD'::text as currency, amount
from ledger_entry;

create view audit.balances as
select account as account_id, balance, position as as_of_pos from ledger_account;

-- One row for each of a job's four escrow accounts.
create view audit.jobs as
select job_id as id, owner_id as owner, state,
       'escrow.' || bucket || ':job_' || replace(job_id::text, '-', '') as escrow_account
from job cross join unnest(array['promo', 'ad', 'paid', 'earned']) as bucket;

create view audit.chunks as
select job_id::text || '/' || index as id, job_id, state, attempts as replicas from chunk;

create view audit.leases as
select lease_id as id, job_id::text || '/' || chunk as chunk_id, agent_id as agent, epoch,
       granted_position as granted_pos, expires_at, ended_position as ended_pos
from lease;

create view audit.attempts as
select lease_id as id, job_id::text || '/' || chunk as chunk_id, lease_id, epoch, lender_id as lender,
       ended_position as accepted_pos, verified_position as verified_pos, fuel, fuel_limit as fuel_cap
from lease where outcome is not null;

create view audit.payments as
select e.position as event_pos, l.lease_id as attempt_id, l.job_id::text || '/' || l.chunk as chunk_id,
       e.account as lender_account, l.paid as amount
from lease l
join ledger_entry e on e.account = 'lender.pending:usr_' || replace(l.lender_id::text, '-', '')
    and e.position = l.verified_position + 1
where l.paid is not null;

create view audit.idem as
select split_part(key, ':', 1) as owner, key, position as event_pos from operation;
