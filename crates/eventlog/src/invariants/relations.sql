-- The part of the log that is looked at, under the names that the rules use: temporary tables hide
-- the views of the auditors' schema until the transaction ends.
set local search_path = pg_temp, audit, public;
set local jit = off;
set local work_mem = '64MB';
create temp table span (like audit.span) on commit drop;
create temp table events (like audit.events) on commit drop;
create temp table entries (like audit.entries) on commit drop;
create temp table changes (like audit.changes) on commit drop;
create temp table payments (like audit.payments) on commit drop;
create temp table idem (like audit.idem) on commit drop;
create temp table accounts (like audit.accounts) on commit drop;
create temp table balances (like audit.balances) on commit drop;
create temp table statements (like audit.statements) on commit drop;
create temp table reservations (like audit.reservations) on commit drop;
create temp table jobs (like audit.jobs) on commit drop;
create temp table chunks (like audit.chunks) on commit drop;
create temp table leases (like audit.leases) on commit drop;
create temp table attempts (like audit.attempts) on commit drop;
create temp table adjustments (like audit.adjustments) on commit drop;
create temp table touched (account_id text collate "C" primary key) on commit drop;
create temp table cells (job_id uuid, index integer, primary key (job_id, index)) on commit drop;
