-- The contract with auditors: outsiders build on these views. docs/audit.md documents them.
--
-- What the log says is read out of the stored bytes (events, entries, changes, payments, idem); the
-- other views show the tables that are derived from it, so that both can be compared.

create schema audit;

-- The chart of accounts. A person's, a job's or a campaign's account has its owner after a colon.
create view audit.classes as
select kind, code, currency, code not between 2000 and 2999 as may_go_negative,
       code not in (1000, 1200, 1210, 1300) as may_go_positive
from (values
    ('bank', 1000, 'USD'), ('psp_clearing', 1100, 'USD'), ('receivable.consumer', 1200, 'CRD'),
    ('receivable.lender', 1210, 'CRD'), ('receivable.advertiser', 1300, 'CRD'),
    ('consumer.paid', 2010, 'CRD'), ('consumer.ad', 2020, 'CRD'), ('consumer.promo', 2030, 'CRD'),
    ('lender.pending', 2100, 'CRD'), ('lender.available', 2110, 'CRD'),
    ('escrow.paid', 2200, 'CRD'), ('escrow.ad', 2201, 'CRD'), ('escrow.promo', 2202, 'CRD'),
    ('escrow.earned', 2203, 'CRD'), ('advertiser.balance', 2300, 'CRD'),
    ('campaign.reserve', 2310, 'CRD'), ('payout.pending', 2400, 'CRD'),
    ('tax.withheld', 2500, 'CRD'), ('owner.capital', 3000, 'USD'),
    ('suspense.adjustment', 3900, 'CRD'), ('income.compute_fee', 4010, 'CRD'),
    ('income.ad_margin', 4020, 'CRD'), ('income.breakage', 4030, 'CRD'),
    ('income.payout_fee', 4040, 'CRD'), ('expense.psp_fee', 5010, 'USD'),
    ('expense.chargeback_fee', 5020, 'USD'), ('expense.bad_debt', 5030, 'CRD'),
    ('expense.fraud_loss', 5040, 'CRD'), ('expense.promo_grant', 5050, 'CRD'),
    ('expense.goodwill', 5060, 'CRD'), ('rounding', 5070, 'CRD'),
    ('exchange.USD', 9100, 'USD'), ('exchange.CRD', 9110, 'CRD')
) as chart (kind, code, currency);

-- What of the log is looked at: all of it. The continuous check looks at a part.
create view audit.span as
select 0::bigint as low, null::timestamptz as low_at, position as high from log_head;

create view audit.events as
select e.position as pos, e.at, e.type as kind,
       b.body || jsonb_build_object('op', b.body -> 'operation') as body,
       e.leaf, e.batch, e.stream, e.version
from event e
-- The limit keeps the bytes from being read twice.
cross join lateral (select convert_from(e.body, 'UTF8')::jsonb as body offset 0) as b;

create view audit.entries as
select e.position as event_pos, (p.n - 1)::smallint as entry_no, p.posting ->> 0 as account_id,
       c.currency, (p.posting ->> 1)::bigint as amount
from event e
cross join lateral
    jsonb_array_elements(convert_from(e.body, 'UTF8')::jsonb -> 'postings')
    with ordinality as p (posting, n)
left join audit.classes c on c.kind = split_part(p.posting ->> 0, ':', 1);

-- What events changed besides balances: reservations, and states of accounts.
create view audit.changes as
select e.position as event_pos, (c.n - 1)::smallint as change_no, k.what,
       right(k.how ->> 'pending', 32)::uuid as reservation_id,
       coalesce(k.how ->> 'account', k.how ->> 'from') as account_id, k.how ->> 'to' as to_account_id,
       (k.how ->> 'amount')::bigint as amount, coalesce(k.how ->> 'state', k.how ->> 'how') as state
from event e
cross join lateral
    jsonb_array_elements(convert_from(e.body, 'UTF8')::jsonb -> 'changes')
    with ordinality as c (change, n)
cross join lateral jsonb_each(c.change) as k (what, how);

create view audit.accounts as
select a.account as id, split_part(a.account, ':', 2) as owner, split_part(a.account, ':', 1) as kind,
       a.currency, c.may_go_negative, c.may_go_positive, a.state
from ledger_account a left join audit.classes c on c.kind = split_part(a.account, ':', 1);

create view audit.balances as
select account as account_id, balance, position as as_of_pos, debits_pending, credits_pending,
       currency
from ledger_account;

-- The lines of an account as its owner sees them, with what stood there after each. A page is what
-- lies together: `page_first` and `page_last` are the positions that it spans.
create view audit.statements as
select a.account as account_id, p.first_position + l.step as event_pos, l.entry as entry_no,
       l.amount,
       (p.opening + (select sum(m) from unnest(p.amounts[:l.n]) as m))::bigint as balance,
       p.first_position as page_first, p.last_position as page_last
from statement_page p
join ledger_account a on a.id = p.account_id
cross join lateral unnest(p.offsets, p.entries, p.amounts)
    with ordinality as l (step, entry, amount, n);

create view audit.reservations as
select pending_id as id, from_account as account_id, to_account as to_account_id, amount, expires_at,
       state, posted, reserved_position as reserved_pos, resolved_position as resolved_pos
from reservation;

-- One row for each of a job's four escrow accounts.
create view audit.jobs as
select job_id as id, owner_id as owner, state,
       'escrow.' || bucket || ':job_' || replace(job_id::text, '-', '') as escrow_account,
       held, spent, fee, released, position as as_of_pos
from job cross join unnest(array['promo', 'ad', 'paid', 'earned']) as bucket;

create view audit.chunks as
select job_id::text || '/' || index as id, job_id, state, attempts as replicas, index, live, price
from chunk;

create view audit.leases as
select lease_id as id, job_id::text || '/' || chunk as chunk_id, agent_id as agent, epoch,
       granted_position as granted_pos, expires_at, ended_position as ended_pos, job_id, chunk as index
from lease;

create view audit.attempts as
select lease_id as id, job_id::text || '/' || chunk as chunk_id, lease_id, epoch, lender_id as lender,
       ended_position as accepted_pos, verified_position as verified_pos, fuel, fuel_limit as fuel_cap,
       job_id, chunk as index
from lease where outcome is not null;

create view audit.payments as
select e.position as event_pos, right(s.share ->> 'lease', 32)::uuid as attempt_id,
       right(d.fact ->> 'job', 32)::uuid::text || '/' || (d.fact ->> 'chunk') as chunk_id,
       'lender.pending:' || (s.share ->> 'lender') as lender_account,
       ((s.share ->> 'amount')::numeric * 1000000)::bigint as amount,
       right(d.fact ->> 'job', 32)::uuid as job_id, (d.fact ->> 'chunk')::integer as index
from event e
cross join lateral (select convert_from(e.body, 'UTF8')::jsonb -> 'data' as fact offset 0) as d
cross join lateral jsonb_array_elements(d.fact -> 'shares') as s (share)
where e.type = 'billing.chunk_settled';

-- The events of each command, and what the table of commands knows of it.
create view audit.idem as
select split_part(b.key, ':', 1) as owner, b.key, e.position as event_pos, e.batch,
       o.position as recorded_pos, o.refusal
from event e
cross join lateral
    (select convert_from(e.body, 'UTF8')::jsonb ->> 'operation' as key offset 0) as b
left join operation o on o.id = operation_id(b.key)
where b.key is not null;

create view audit.adjustments as
select adjustment_id as id, account as account_id, amount, reason, explanation, ticket, state,
       proposed_by, decided_by, position as event_pos
from adjustment;

-- What stood on an account after the event at a position.
create function audit.balance_at(account_id text, pos bigint) returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select coalesce(
        (select p.opening + coalesce((
             select sum(l.amount)
             from unnest(p.offsets, p.amounts) as l (step, amount)
             where p.first_position + l.step <= pos), 0)
         from statement_page p
         where p.account_id = a.id and p.last_position > pos
         order by p.last_position, p.first_position limit 1),
        a.balance)::bigint
    from ledger_account a where a.account = balance_at.account_id
$$;

grant usage on schema audit to auditor, medusa_app;
grant select on all tables in schema audit to auditor, medusa_app;
