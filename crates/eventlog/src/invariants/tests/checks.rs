//! Checks as they are asked for: all of it, what is new, what stays noted, and what they cost.

use medusa_api::{InvariantStatus, Invariants};
use medusa_ledger::{Account, Class};
use sqlx::{Connection as _, PgConnection};

use super::super::list::{ALL, How};
use super::super::run::run;
use super::super::watch::look;
use super::super::{check, status};
use super::world::{OWNER, Planted, World, granted, promo};

fn of<'a>(all: &'a Invariants, id: &str) -> &'a InvariantStatus {
    all.items.iter().find(|item| item.id == id).unwrap()
}

fn broken(all: &Invariants) -> Vec<&str> {
    all.items.iter().filter(|item| item.bad > 0).map(|item| item.id.as_str()).collect()
}

async fn change(w: &World, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&w.db.pool).await.unwrap();
}

#[tokio::test]
async fn a_check_of_everything_notes_every_rule() {
    let w = World::new().await;
    let before = status(&w.db.pool).await.unwrap();
    assert_eq!(before.items.len(), ALL.len());
    assert!(before.items.iter().all(|item| item.checked_at.is_none() && item.position == 0));
    let after = check(&w.db.pool, 0..i64::MAX).await.unwrap();
    assert_eq!(broken(&after), [""; 0]);
    assert!(after.items.iter().all(|item| item.checked_at.is_some()));
    assert!(after.items.iter().all(|item| item.position == after.head), "{after:?}");
    assert_eq!(after, status(&w.db.pool).await.unwrap());
    let about: Vec<_> = after.items.iter().filter(|item| !item.detail.is_empty()).collect();
    let about: Vec<_> = about.iter().map(|i| (i.id.as_str(), i.detail.as_str())).collect();
    let none = "no such accounts yet";
    let expected = ["I19", "L13", "L14", "L17", "L23"].map(|id| (id, none));
    assert_eq!(about, expected);
    assert!(after.items.iter().all(|item| item.idle == (item.detail == none)), "{after:?}");
}

#[tokio::test]
async fn what_is_broken_stays_noted_until_a_check_of_everything_finds_it_mended() {
    let w = World::new().await;
    look(&w.db.pool).await.unwrap();
    let first = status(&w.db.pool).await.unwrap();
    assert_eq!(broken(&first), [""; 0]);
    let built = of(&first, "L22").checked_at;
    assert!(built.is_some(), "the very first look is at everything");
    assert_eq!(of(&first, "I03").position, first.head);

    let mut db = w.db.pool.acquire().await.unwrap();
    let wrong = [(Account::promo_grant(), -5), (promo(OWNER), 6)];
    Planted::new(granted(OWNER, 6), &wrong).write(&mut db).await;
    // The books follow what was written; the rules are looked at as far as everybody has read.
    change(&w, "update projection set position = position + 1").await;
    look(&w.db.pool).await.unwrap();
    let second = status(&w.db.pool).await.unwrap();
    let unbalanced = of(&second, "I03");
    assert_eq!((unbalanced.bad, unbalanced.first_bad), (1, Some(second.head)));
    assert_eq!(unbalanced.detail, "its entries in CRD sum to 1");
    assert!(of(&second, "I05").bad > 0);

    Planted::new(granted(OWNER, 6), &[]).write(&mut db).await;
    change(&w, "update projection set position = position + 1").await;
    look(&w.db.pool).await.unwrap();
    let third = status(&w.db.pool).await.unwrap();
    assert_eq!(of(&third, "I03").position, third.head);
    assert_eq!(of(&third, "I03").first_bad, unbalanced.first_bad, "it is still noted");
    assert!(of(&third, "I03").checked_at > unbalanced.checked_at);
    assert_eq!(of(&third, "L22").checked_at, built, "a look at what is new builds nothing anew");

    change(
        &w,
        "alter table event disable trigger user;
         delete from event where position > (select position - 2 from log_head);
         update log_head set position = position - 2;
         update projection set position = position - 2;
         alter table event enable always trigger event_append_only;
         alter table event enable always trigger event_no_truncate",
    )
    .await;
    let last = check(&w.db.pool, 0..i64::MAX).await.unwrap();
    assert_eq!(broken(&last), [""; 0]);
    assert_eq!(of(&last, "I03").first_bad, None);
}

#[tokio::test]
async fn books_that_are_not_what_the_log_gives_are_told() {
    let w = World::new().await;
    change(&w, "update reservation set expires_at = now() where state = 'open'").await;
    let found = check(&w.db.pool, 0..i64::MAX).await.unwrap();
    assert_eq!(broken(&found), ["L22"]);
    change(&w, "update projection set position = position + 1 where name = 'books'").await;
    let found = check(&w.db.pool, 0..i64::MAX).await.unwrap();
    assert_eq!(of(&found, "L22").bad, 1, "{found:?}");
}

#[tokio::test]
async fn rules_of_the_present_are_not_noted_for_longer_than_they_are_broken() {
    let w = World::new().await;
    change(&w, "grant update on event to medusa_app").await;
    look(&w.db.pool).await.unwrap();
    assert_eq!(broken(&status(&w.db.pool).await.unwrap()), ["I23"]);
    change(&w, "revoke update on event from medusa_app").await;
    look(&w.db.pool).await.unwrap();
    assert_eq!(broken(&status(&w.db.pool).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn a_check_waits_for_who_has_not_read_everything_and_never_cuts_a_batch() {
    let w = World::new().await;
    // In the middle of the chain that ended the job.
    change(
        &w,
        "insert into projection (name, position)
         select 'jobs', position from event where type = 'jobs.job_ended'",
    )
    .await;
    let found = check(&w.db.pool, 0..i64::MAX).await.unwrap();
    let before: i64 = sqlx::query_scalar(
        "select max(position) from event
         where batch < (select batch from event where type = 'jobs.job_ended')",
    )
    .fetch_one(&w.db.pool)
    .await
    .unwrap();
    assert_eq!(of(&found, "I11").position, before);
    assert_eq!(broken(&found), [""; 0]);
}

/// Tables that grow with the log, and how often each was read from its beginning to its end.
async fn read_whole(w: &World, low: i64) -> Vec<(String, i64)> {
    // A fresh one has not counted anything before.
    let mut db = PgConnection::connect(&w.db.url).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    // The tables are so small here that reading all would be right; it must not be needed.
    sqlx::query("set local enable_seqscan = off").execute(&mut *tx).await.unwrap();
    run(&mut tx, low, w.log.head()).await.unwrap();
    let scans = "select relname::text, seq_scan from pg_stat_xact_user_tables
        where schemaname = 'public' and seq_scan > 0
            and (relname like 'event%' or relname in ('statement_page', 'operation', 'chunk',
                'lease', 'job', 'reservation', 'ledger_account', 'adjustment', 'merkle_tile'))";
    sqlx::query_as(scans).fetch_all(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn what_is_new_is_checked_without_reading_what_is_old() {
    let w = World::new().await;
    for low in [w.log.head() - 3, 1] {
        assert_eq!(read_whole(&w, low).await, []);
    }
}

#[tokio::test]
async fn the_chart_of_accounts_in_the_views_is_the_one_of_the_ledger() {
    let w = World::new().await;
    let rows: Vec<(String, i32, String, bool, bool)> = sqlx::query_as(
        "select kind, code, currency, may_go_negative, may_go_positive from audit.classes
         order by code",
    )
    .fetch_all(&w.db.pool)
    .await
    .unwrap();
    let limit = |class: &Class, side| class.limit() != side;
    let classes = Class::ALL.iter().map(|class| {
        (
            class.name().to_owned(),
            i32::from(class.code()),
            class.currency().code().to_owned(),
            limit(class, medusa_ledger::Limit::Debits),
            limit(class, medusa_ledger::Limit::Credits),
        )
    });
    assert_eq!(rows, classes.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_auditor_can_ask_every_rule_of_the_views_and_change_nothing() {
    let w = World::new().await;
    let mut db = PgConnection::connect(&w.db.url).await.unwrap();
    sqlx::raw_sql("set role auditor; set search_path = audit").execute(&mut db).await.unwrap();
    for rule in ALL {
        if let How::Span(query) | How::Now(query) = rule.how {
            let (bad, _, what): (i64, Option<i64>, Option<String>) =
                sqlx::query_as(query).fetch_one(&mut db).await.unwrap();
            assert_eq!((bad, what), (0, None), "{}", rule.id);
        }
    }
    for refused in [
        "select count(*) from public.event",
        "select count(*) from public.person_vault",
        "insert into public.event select * from public.event",
        "delete from audit.balances",
        "update audit.events set kind = 'x'",
        "create table audit.mine (n int)",
        "select public.log_take_over()",
    ] {
        assert!(sqlx::raw_sql(refused).execute(&mut db).await.is_err(), "{refused}");
    }
    let at = "select audit.balance_at('income.compute_fee', (select high from span))";
    let fee: i64 = sqlx::query_scalar(at).fetch_one(&mut db).await.unwrap();
    assert_eq!(fee, 160);
    let before = "select audit.balance_at('income.compute_fee', (
        select min(pos) from events where kind = 'billing.chunk_settled'))";
    assert_eq!(sqlx::query_scalar::<_, i64>(before).fetch_one(&mut db).await.unwrap(), 120);
}

#[test]
fn the_document_tells_of_every_rule() {
    let document = include_str!("../../../../../docs/audit.md");
    for rule in ALL {
        let row = format!("| {} | {} | {} |", rule.id, rule.name, rule.meaning);
        assert!(document.contains(&row), "docs/audit.md lacks the row {row}");
    }
}

#[tokio::test]
async fn the_document_tells_of_every_view() {
    let document = include_str!("../../../../../docs/audit.md");
    let w = World::new().await;
    let views: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, string_agg(column_name, ', ' order by ordinal_position)
         from information_schema.columns where table_schema = 'audit' group by 1 order by 1",
    )
    .fetch_all(&w.db.pool)
    .await
    .unwrap();
    for (view, columns) in views {
        let heading = format!("`audit.{view}` ({columns})");
        assert!(document.contains(&heading), "docs/audit.md lacks {heading}");
    }
}

#[tokio::test]
async fn acknowledged_commands_are_in_the_log_once_and_refused_ones_are_not() {
    let w = World::new().await;
    let mut db = w.db.pool.acquire().await.unwrap();
    let rules = [include_str!("../sql/i16.sql"), include_str!("../sql/i17.sql")];
    let mut broken = Vec::new();
    for (op, outcome) in [
        ("settle:1:0", "ok"),
        ("welcome:o", "ok"),
        ("never:asked", "refused"),
        ("never:asked", "ok"),
        ("welcome:o", "refused"),
    ] {
        let mut tx = db.begin().await.unwrap();
        sqlx::raw_sql(
            "create temp table acked (op text, outcome text) on commit drop;
             set local search_path = pg_temp, audit, public",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
        let insert = sqlx::query("insert into acked values ($1, $2)").persistent(false);
        insert.bind(op).bind(outcome).execute(&mut *tx).await.unwrap();
        for (rule, name) in rules.into_iter().zip(["I16", "I17"]) {
            let rows = sqlx::query(rule).persistent(false).fetch_all(&mut *tx).await.unwrap();
            if !rows.is_empty() {
                broken.push((op, outcome, name));
            }
        }
        tx.rollback().await.unwrap();
    }
    assert_eq!(broken, [("never:asked", "ok", "I16"), ("welcome:o", "refused", "I17")]);
}
