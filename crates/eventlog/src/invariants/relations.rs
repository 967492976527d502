//! What the rules look at: a span of the log, and the things that it touches, as temporary tables
//! of one transaction. Everything is found by an index, so that a span costs the same at the end of
//! a long log as at its beginning.
//!
//! A thing may have changed after the span. Then its standing is not compared: that is done when
//! the span of its last change is looked at.

use sqlx::PgConnection;

use super::tree::Bytes;
use crate::error::LogError;

/// The empty tables.
const TABLES: &str = include_str!("relations.sql");

/// From here on statistics are needed to find good ways.
const ANALYZE_EVENTS: &str = "analyze events, entries, changes, payments, idem";
const ANALYZE_REST: &str = "analyze span, accounts, balances, statements, reservations, jobs, \
                            chunks, leases, attempts, touched, cells";

/// What comes out of the bytes of events; with the span's ends, and the positions of events whose
/// bytes cannot be read.
const FROM_EVENTS: [&str; 5] = [
    "insert into events select * from audit.events
     where pos > $1 and pos <= $2 and pos <> all($3)",
    "insert into events
     select position, at, type, '{}', leaf, batch, stream, version from event
     where position > $1 and position <= $2 and position = any($3)",
    "insert into entries select * from audit.entries
     where event_pos > $1 and event_pos <= $2 and event_pos <> all($3)",
    "insert into changes select * from audit.changes
     where event_pos > $1 and event_pos <= $2 and event_pos <> all($3)",
    "insert into payments select * from audit.payments
     where event_pos > $1 and event_pos <= $2 and event_pos <> all($3)",
];

/// The events of commands, by their positions and the numbers that the commands are remembered
/// under: the database finds these more slowly.
const COMMANDS: &str = "insert into idem
    select split_part(e.body ->> 'op', ':', 1), e.body ->> 'op', e.pos, e.batch, o.position,
        o.refusal
    from unnest($1::bigint[], $2::uuid[]) as command (pos, id)
    join events e using (pos)
    left join operation o using (id)";

/// What is derived from the log, as far as the events touch it.
const FROM_TABLES: [&str; 14] = [
    // A job that has changed since is looked at later: its state is left open.
    "insert into jobs
     select j.id, j.owner, case when j.as_of_pos <= high then j.state end, j.escrow_account, j.held,
         j.spent, j.fee, j.released, j.as_of_pos
     from audit.jobs j, span
     where j.id in (select right(body -> 'data' ->> 'job', 32)::uuid from events)",
    "insert into cells
     select distinct right(body -> 'data' ->> 'job', 32)::uuid,
         (body -> 'data' ->> 'chunk')::integer
     from events where body -> 'data' ? 'job' and body -> 'data' ? 'chunk'",
    "insert into chunks select c.* from cells join audit.chunks c using (job_id, index)",
    "insert into leases select l.* from cells join audit.leases l using (job_id, index)",
    // What lives of a job that has ended may be anywhere in it.
    "insert into leases select l.* from audit.leases l
     where l.job_id in (
             select right(body -> 'data' ->> 'job', 32)::uuid from events
             where kind = 'jobs.job_ended')
         and not exists (select from cells c where c.job_id = l.job_id and c.index = l.index)",
    "insert into attempts select a.* from cells join audit.attempts a using (job_id, index)",
    "insert into adjustments select * from audit.adjustments
     where id in (
         select right(body -> 'data' ->> 'adjustment', 32)::uuid from events
         where kind = 'billing.books_adjusted')",
    "insert into reservations select * from audit.reservations
     where id in (select reservation_id from changes)",
    "insert into touched
     select account_id from entries
     union select account_id from changes where account_id is not null
     union select to_account_id from changes where to_account_id is not null
     union select account_id from reservations
     union select to_account_id from reservations
     union select escrow_account from jobs",
    "insert into reservations
     select distinct r.* from touched t cross join span
     cross join lateral (
         select * from audit.reservations f
         where f.account_id = t.account_id and coalesce(f.resolved_pos, 9223372036854775807) > low
         union all
         select * from audit.reservations f
         where f.to_account_id = t.account_id
             and coalesce(f.resolved_pos, 9223372036854775807) > low
     ) r
     where not exists (select from reservations known where known.id = r.id)",
    "insert into accounts
     select a.id, a.owner, a.kind, a.currency, a.may_go_negative, a.may_go_positive,
         case when b.as_of_pos <= high then a.state end
     from touched t
     join audit.accounts a on a.id = t.account_id
     join audit.balances b on b.account_id = t.account_id
     cross join span",
    "insert into balances
     select b.account_id,
         case when b.as_of_pos <= high then b.balance else audit.balance_at(b.account_id, high) end,
         b.as_of_pos, b.debits_pending, b.credits_pending, b.currency
     from touched t join audit.balances b using (account_id) cross join span",
    // What stood there before the span is like one entry before it.
    "insert into entries
     select low, -1, b.account_id, b.currency, audit.balance_at(b.account_id, low)
     from balances b cross join span where low > 0",
    "insert into statements
     select s.* from touched t cross join span
     join audit.statements s on s.account_id = t.account_id
         and s.page_last > span.low and s.page_first <= span.high
     where s.event_pos > span.low and s.event_pos <= span.high",
];

/// Makes the tables and fills them with the span behind `low` up to `high`; events that cannot be
/// read count as empty.
pub(super) async fn fill(
    db: &mut PgConnection,
    (low, high): (i64, i64),
    bytes: &Bytes,
) -> Result<(), LogError> {
    sqlx::raw_sql(TABLES).execute(&mut *db).await?;
    let span = "insert into span select $1, (select at from event where position = $1), $2";
    sqlx::query(span).persistent(false).bind(low).bind(high).execute(&mut *db).await?;
    for statement in FROM_EVENTS {
        let insert =
            sqlx::query(statement).persistent(false).bind(low).bind(high).bind(&bytes.unread);
        insert.execute(&mut *db).await?;
    }
    let (positions, ids) = &bytes.commands;
    sqlx::query(COMMANDS).persistent(false).bind(positions).bind(ids).execute(&mut *db).await?;
    sqlx::raw_sql(ANALYZE_EVENTS).execute(&mut *db).await?;
    for statement in FROM_TABLES {
        sqlx::query(statement).persistent(false).execute(&mut *db).await?;
    }
    sqlx::raw_sql(ANALYZE_REST).execute(&mut *db).await?;
    Ok(())
}
