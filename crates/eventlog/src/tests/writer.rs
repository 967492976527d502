//! One writer at a time: standing by, taking over, and commands that memory has forgotten.

use std::time::{Duration, Instant};

use medusa_platform::postgres;
use sqlx::postgres::PgPoolOptions;

use super::*;

/// A pool of another process.
async fn other_pool(db: &TestDb) -> sqlx::PgPool {
    PgPoolOptions::new().max_connections(6).connect(&db.url).await.unwrap()
}

#[tokio::test]
async fn two_writers_at_once_become_a_writer_and_a_standby() {
    let db = TestDb::new().await.unwrap();
    let mut logs = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let pool = other_pool(&db).await;
        let stop = CancellationToken::new();
        let config = LogConfig { pool, clock: Clock::system() };
        logs.spawn(async move { (start(config, stop.clone()).await.unwrap(), stop) });
    }
    let (first, stop) = logs.join_next().await.unwrap().unwrap();
    first.append_one(operation("k", 1), gift(1, 5)).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(700), logs.join_next()).await;
    assert!(early.is_err(), "two write at a time");
    stop.cancel();
    first.pool().close().await;
    let began = Instant::now();
    let (second, _stop) = logs.join_next().await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let again = second.append_one(operation("k", 1), gift(1, 5)).await.unwrap();
    assert_eq!((again.position, again.replayed), (1, true));
    assert_eq!(second.append_one(None, gift(1, 5)).await.unwrap().position, 2);
}

#[tokio::test]
async fn a_silent_writer_is_replaced_and_told_when_it_wakes() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    // As if it had been silent for long: its sign of life is old, and stays so for a moment.
    w.db.pool.execute("update log_writer set alive_at = 'epoch'").await.unwrap();
    let pool = other_pool(&w.db).await;
    let mut lock = pool.acquire().await.unwrap();
    let epoch = commit::begin_epoch(&mut lock).await.unwrap();
    let now = Clock::system().now();
    let state = commit::take_over(&pool, &mut lock, epoch, now).await.unwrap();
    assert_eq!(state.position, 1);
    // It has nothing to write, and notices all the same.
    tokio::time::timeout(Duration::from_secs(3), w.stop.cancelled()).await.unwrap();
    let late = w.log.append_one(None, gift(1, 1)).await;
    assert_eq!(late, Err(AppendError::Unknown));
}

#[tokio::test]
async fn a_fresh_key_that_memory_has_forgotten_is_found_all_the_same() {
    let w = world().await;
    let fresh = |n: u8| {
        let key = medusa_platform::Random::system().id();
        (Operation::client(user(1), &key.to_string(), Sha256Hash([n; 32])), n)
    };
    let keys: Vec<_> = (0..20).map(fresh).collect();
    let append = |(operation, n): &(Operation, u8), amount| Append {
        operation: Some(operation.clone()),
        events: vec![gift(u128::from(*n), amount)],
    };
    for key in &keys {
        w.log.append(append(key, 5)).await.unwrap();
    }
    w.stop.cancel();
    // Its memory is empty, and ids made just now are not looked up: the table refuses them.
    let log = start(config(&w.db), CancellationToken::new()).await.unwrap();
    let new: Vec<_> = (20..40).map(fresh).collect();
    let mixed = keys.iter().zip(&new).flat_map(|(old, new)| [append(old, 5), append(new, 5)]);
    let answers = log.append_all(mixed.collect()).await.unwrap();
    let replayed: Vec<bool> = answers.into_iter().map(|a| a.unwrap().replayed).collect();
    assert_eq!(replayed, [true, false].repeat(20));
    let reused = Operation { request: Sha256Hash([99; 32]), ..keys[0].0.clone() };
    let other = log.append_one(Some(reused), gift(1, 5)).await;
    assert_eq!(other, Err(AppendError::OperationReused));
    assert!(log.books_current().await);
    let report = verify(&w.db.pool).await.unwrap();
    assert_eq!((report.ok, report.events), (true, 40));
}

#[tokio::test]
async fn a_full_queue_answers_busy_and_loses_nothing() {
    let w = world().await;
    let mut waiting = Vec::new();
    let mut busy = 0;
    // Without a pause for the writer the queue fills up.
    for _ in 0..30_000 {
        match w.log.enqueue(Append { operation: None, events: vec![gift(1, 1)] }) {
            Ok(answer) => waiting.push(answer),
            Err(AppendError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(busy > 0);
    let accepted = i64::try_from(waiting.len()).unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(w.log.head(), accepted);
}

#[tokio::test]
async fn partitions_are_made_in_time_and_events_never_fall_beside_them() {
    let w = world().await;
    let names = || async {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from pg_inherits where inhparent = 'event'::regclass",
        )
        .fetch_one(&w.db.pool)
        .await
        .unwrap()
    };
    assert_eq!(names().await, 2);
    commit::make_partitions(&w.db.pool, 19_000_000).await.unwrap();
    assert_eq!(names().await, 4);
    for change in ["update event_p2 set type = 'x'", "truncate event_p2"] {
        let mut db = w.db.pool.acquire().await.unwrap();
        db.execute("set role medusa_app").await.unwrap();
        let refused = db.execute(change).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{refused}");
    }
}

#[tokio::test]
async fn the_applications_role_can_add_to_the_log_and_not_change_it() {
    let w = world().await;
    w.log.append_one(None, gift(1, 1)).await.unwrap();
    let mut db = w.db.pool.acquire().await.unwrap();
    db.execute("set role medusa_app").await.unwrap();
    for change in [
        "update event set type = 'x'",
        "delete from event",
        "truncate event",
        "insert into event select * from event",
        "update event_p0 set type = 'x'",
        "update log_head set position = 0",
        "delete from operation",
        "update checkpoint set note = ''",
        "drop table event",
    ] {
        assert!(db.execute(change).await.is_err(), "{change}");
    }
    db.execute("reset role").await.unwrap();
    drop(db);
    // As owner the triggers still refuse.
    for change in ["update event_p0 set type = 'x'", "delete from event_p0"] {
        assert!(w.db.pool.execute(change).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn the_servers_login_writes_the_log_and_has_no_rights_to_go_back_to() {
    let db = TestDb::new().await.unwrap();
    postgres::migrate(&db.pool).await.unwrap();
    for _ in 0..2 {
        postgres::make_server_login(&db.pool).await.unwrap();
    }
    let login = format!("//{}@", postgres::SERVER_LOGIN);
    let url = db.url.replacen("//medusa@", &login, 1);
    // It has nothing to migrate, and finds that nothing is missing.
    let plain = postgres::connect(&url).await.unwrap();
    postgres::migrate(&plain).await.unwrap();
    let pool = postgres::connect_app(&url).await.unwrap();
    postgres::check_rights(&pool).await.unwrap();
    let stop = CancellationToken::new();
    let config = LogConfig { pool: pool.clone(), clock: Clock::system() };
    let log = start(config, stop.clone()).await.unwrap();
    log.append_one(None, gift(1, 1)).await.unwrap();
    assert!(log.books_current().await);
    stop.cancel();
    let mut db_of_server = pool.acquire().await.unwrap();
    db_of_server.execute("reset role").await.unwrap();
    for change in [
        "update event set type = 'x'",
        "truncate event",
        "alter table event disable trigger all",
        "set session_replication_role = replica",
        "update log_head set position = 0",
        "create table mine ()",
        "set role medusa",
    ] {
        let refused = db_of_server.execute(change).await.unwrap_err().to_string();
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{change}: {refused}"
        );
    }
    // A program that is newer than the schema is told who has to migrate.
    db.pool.execute("delete from _sqlx_migrations where version = 20261122001400").await.unwrap();
    let behind = postgres::migrate(&plain).await.unwrap_err().to_string();
    assert!(behind.contains("lacks 1 migrations"), "{behind}");
}

#[tokio::test]
async fn a_writer_does_not_start_from_balances_that_do_not_add_up() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    let hold = Move::Reserve {
        pending: medusa_types::PendingId(Uuid::from_u128(1)),
        from: Account::wallet(Bucket::Promo, user(1)),
        to: Account::wallet(Bucket::Promo, user(2)),
        amount: units(30),
        expires_at: None,
    };
    let reserved = NewEvent { moves: vec![hold], ..gift(1, 0) };
    w.log.append_one(None, reserved).await.unwrap();
    assert!(w.log.books_current().await);
    w.stop.cancel();
    let mine = "where account like 'consumer.promo:%1'";
    for (words, change, back) in [
        ("the stored balances in CRD sum to 1;", "balance = balance + 1", "balance = balance - 1"),
        ("is not what open reservations hold", "debits_pending = 0", "debits_pending = 30"),
    ] {
        let of = |what: &str| format!("update ledger_account set {what} {mine}");
        w.db.pool.execute(sqlx::AssertSqlSafe(of(change))).await.unwrap();
        let refused = start(config(&w.db), CancellationToken::new()).await.err().unwrap();
        let text = refused.to_string();
        assert!(text.contains(words) && text.contains("rebuild books"), "{text}");
        w.db.pool.execute(sqlx::AssertSqlSafe(of(back))).await.unwrap();
    }
    start(config(&w.db), CancellationToken::new()).await.unwrap();
}
