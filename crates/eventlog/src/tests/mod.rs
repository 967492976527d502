//! The log against a real database: what is accepted, what is refused, and what an audit sees.

use medusa_events::Fact;
use medusa_ledger::{Account, Amount, Bucket, Currency, Move, Refusal};
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_types::{Sha256Hash, UserId, Uuid};
use sqlx::Executor as _;
use tokio_util::sync::CancellationToken;

use super::*;

mod asked;
mod commands;
mod readers;
mod writer;

struct World {
    db: TestDb,
    log: EventLog,
    stop: CancellationToken,
}

async fn world() -> World {
    let db = TestDb::new().await.unwrap();
    let stop = CancellationToken::new();
    let log = start(config(&db), stop.clone()).await.unwrap();
    World { db, log, stop }
}

fn config(db: &TestDb) -> LogConfig {
    LogConfig { pool: db.pool.clone(), clock: Clock::system() }
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn units(n: i64) -> Amount {
    Amount::new(n)
}

/// A gift of the house to a person.
fn gift(n: u128, amount: i64) -> NewEvent {
    let to = user(n);
    let fact =
        Fact::CreditsGranted { user: to, amount: units(amount).credits(), why: "test".into() };
    let wish = Move::Split {
        from: vec![Account::promo_grant()],
        to: vec![(Account::wallet(Bucket::Promo, to), units(amount))],
    };
    NewEvent::new(format!("account-{to}"), fact).moving(vec![wish])
}

/// A gift from one person to another, which can be refused.
fn payment(from: u128, to: u128, amount: i64) -> NewEvent {
    let wish = Move::Split {
        from: vec![Account::wallet(Bucket::Promo, user(from))],
        to: vec![(Account::wallet(Bucket::Promo, user(to)), units(amount))],
    };
    gift(to, amount).moving(vec![wish])
}

fn operation(key: &str, request: u8) -> Option<Operation> {
    Some(Operation::house(key.into(), Sha256Hash([request; 32])))
}

#[tokio::test]
async fn positions_are_dense_and_the_audit_agrees() {
    let w = world().await;
    let appends = (0..200).map(|n| w.log.append_one(None, gift(n % 7, 10)));
    let results = futures_util::future::join_all(appends).await;
    let mut positions: Vec<i64> = results.into_iter().map(|r| r.unwrap().position).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=200).collect::<Vec<_>>());
    assert!(w.log.books_current().await);
    let report = verify(&w.db.pool).await.unwrap();
    assert_eq!((report.ok, report.events, report.accounts), (true, 200, 8));
}

#[tokio::test]
async fn a_refused_chain_leaves_nothing_behind() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    let chain = Append { operation: None, events: vec![payment(1, 2, 60), payment(1, 3, 60)] };
    let refused = w.log.append(chain).await.unwrap_err();
    let short = Refusal::Short { currency: Currency::Crd, has: units(40), due: units(60) };
    assert_eq!(refused, AppendError::Ledger(short));
    assert_eq!(w.log.append_one(None, payment(1, 2, 100)).await.unwrap().position, 2);
}

#[tokio::test]
async fn many_at_once_cannot_overdraw() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    let spends = (0..64).map(|_| w.log.append_one(None, payment(1, 2, 15)));
    let spent = futures_util::future::join_all(spends).await;
    assert_eq!(spent.iter().filter(|r| r.is_ok()).count(), 6);
    assert!(verify(&w.db.pool).await.unwrap().ok);
}

#[tokio::test]
async fn an_operation_takes_effect_once_also_after_a_restart() {
    let w = world().await;
    let first = w.log.append_one(operation("k", 1), gift(1, 5)).await.unwrap();
    let again = w.log.append_one(operation("k", 1), gift(1, 5)).await.unwrap();
    assert_eq!((again.position, again.replayed), (first.position, true));
    let other = w.log.append_one(operation("k", 2), gift(1, 5)).await;
    assert_eq!(other, Err(AppendError::OperationReused));
    w.stop.cancel();
    let log = start(config(&w.db), CancellationToken::new()).await.unwrap();
    let later = log.append_one(operation("k", 1), gift(1, 5)).await.unwrap();
    assert_eq!((later.position, later.replayed), (first.position, true));
    assert_eq!(log.head(), 1);
}

#[tokio::test]
async fn a_stream_that_moved_on_refuses_an_old_version() {
    let w = world().await;
    let at = |version| NewEvent { expect: Expect::Version(version), ..gift(1, 1) };
    w.log.append_one(None, at(0)).await.unwrap();
    let stale = w.log.append_one(None, at(0)).await.unwrap_err();
    assert!(matches!(stale, AppendError::Version { found: 1, .. }));
    w.log.append_one(None, at(1)).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_was_fenced_writes_nothing() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    // Another writer takes over while this one sleeps: a new epoch.
    w.db.pool.execute("update log_head set epoch = epoch + 1").await.unwrap();
    let late = w.log.append_one(None, gift(1, 1)).await;
    assert_eq!(late, Err(AppendError::Unknown));
    let stored = read_events(&w.db.pool, 0, 10).await.unwrap();
    assert_eq!(stored.len(), 1);
}

#[tokio::test]
async fn a_tail_misses_nothing_and_repeats_nothing() {
    let w = world().await;
    for _ in 0..5 {
        w.log.append_one(None, gift(1, 1)).await.unwrap();
    }
    let mut tail = w.log.tail(2);
    let mut seen = Vec::new();
    for _ in 0..3 {
        w.log.append_one(None, gift(1, 1)).await.unwrap();
        seen.extend(tail.next().await.unwrap().iter().map(|e| e.envelope.position));
    }
    while tail.position() < 8 {
        seen.extend(tail.next().await.unwrap().iter().map(|e| e.envelope.position));
    }
    assert_eq!(seen, (3..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_table_of_events_refuses_changes() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    for change in ["update event set type = 'x'", "delete from event", "truncate event"] {
        assert!(w.db.pool.execute(change).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn an_audit_names_the_first_bad_position() {
    let tampers = [
        (
            "update event set body = replace(convert_from(body, 'UTF8'), '\"why\":\"test\"', '\"why\":\"tesT\"')::bytea where position = 3",
            "event 3:",
        ),
        ("delete from event where position = 3", "event 3: is missing"),
        ("delete from event where position = 5", "event 4: is the last one"),
        (
            "update ledger_account set balance = balance + 1 where account like 'consumer%'",
            "the balance of consumer.promo",
        ),
        (
            "update log_head set root = leaf from event where event.position = 1",
            "the recomputed root",
        ),
    ];
    for (tamper, found) in tampers {
        let w = world().await;
        for _ in 0..5 {
            w.log.append_one(None, gift(1, 1)).await.unwrap();
        }
        assert!(w.log.books_current().await);
        let mut db = w.db.pool.acquire().await.unwrap();
        // A superuser can switch the triggers off; the tree still tells.
        db.execute("alter table event disable trigger user").await.unwrap();
        db.execute(tamper).await.unwrap();
        let report = verify(&w.db.pool).await.unwrap();
        assert!(!report.ok, "{tamper}");
        assert!(report.problems[0].contains(found), "{tamper}: {:?}", report.problems);
    }
}
