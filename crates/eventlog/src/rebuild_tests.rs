//! Read models that are built anew: under load, after a hand has changed them, and by the rights of
//! the application alone.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use medusa_events::Fact;
use medusa_ledger::{Account, Amount, Bucket, Move};
use medusa_platform::Clock;
use medusa_platform::supervise::supervise;
use medusa_testkit::TestDb;
use medusa_types::{PendingId, Timestamp, UserId, Uuid};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{Append, Books, EventLog, LogConfig, NewEvent, Progress, Tiles, project, verify};

struct World {
    db: TestDb,
    log: EventLog,
    tiles: Progress,
    _end: DropGuard,
}

async fn world() -> World {
    let db = TestDb::new().await.unwrap();
    let stop = CancellationToken::new();
    let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
    let log = crate::start(config, stop.clone()).await.unwrap();
    let tiles = Progress::default();
    let (tiles_log, progress) = (log.clone(), tiles.clone());
    supervise("test.tiles", stop.clone(), move || {
        project(tiles_log.clone(), Arc::new(Tiles), progress.clone())
    });
    World { db, log, tiles, _end: stop.drop_guard() }
}

fn wallet(n: u128) -> Account {
    Account::wallet(Bucket::Promo, UserId(Uuid::from_u128(n)))
}

fn event(n: u128, moves: Vec<Move>) -> NewEvent {
    let user = UserId(Uuid::from_u128(n));
    let amount = Amount::new(1).credits();
    let fact = Fact::CreditsGranted { user, amount, why: "test".into() };
    NewEvent::new(format!("account-{user}"), fact).moving(moves)
}

/// The n-th thing that happens: gifts, payments, reservations that are kept, and others that end.
fn happening(n: u128) -> Append {
    let (one, other) = (wallet(n % 7), wallet((n + 1) % 7));
    let gift = Move::pay(Account::promo_grant(), one, Amount::new(10));
    let reserve = |pending| Move::Reserve {
        pending: PendingId(Uuid::from_u128(pending)),
        from: one,
        to: other,
        amount: Amount::new(4),
        expires_at: n.is_multiple_of(2).then_some(Timestamp::from_micros(9_000_000_000_000_000)),
    };
    let end = Move::Post { pending: PendingId(Uuid::from_u128(n)), amount: Some(Amount::new(3)) };
    let events = match n % 3 {
        0 => vec![event(n, vec![gift])],
        1 => vec![event(n, vec![gift]), event(n, vec![Move::pay(one, other, Amount::new(5))])],
        _ => vec![event(n, vec![gift, reserve(n)]), event(n, vec![end, reserve(n + 1_000_000)])],
    };
    Append { operation: None, events }
}

impl World {
    async fn happen(&self, numbers: std::ops::Range<u128>) {
        for answer in self.log.append_all(numbers.map(happening).collect()).await.unwrap() {
            answer.unwrap();
        }
    }

    async fn settled(&self) {
        assert!(self.log.books_current().await);
        assert!(self.tiles.reached(self.log.head()).await);
    }

    async fn change(&self, statement: &'static str) {
        let done = sqlx::query(statement).execute(&self.db.pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }

    /// Every byte of the projections, statements line by line.
    async fn everything(&self) -> Vec<String> {
        let queries = [
            "select a::text from ledger_account a order by id",
            "select r::text from reservation r order by pending_id",
            "select t::text from merkle_tile t order by level, index",
            "select concat_ws(' ', account_id, first_position + step, entry, amount,
                 opening + sum(amount) over (
                     partition by account_id, first_position, last_position order by n))
             from statement_page, unnest(offsets, entries, amounts)
                 with ordinality as line (step, entry, amount, n)
             order by account_id, first_position, last_position, n",
        ];
        let mut rows = Vec::new();
        for query in queries {
            rows.extend(
                sqlx::query_scalar::<_, String>(query).fetch_all(&self.db.pool).await.unwrap(),
            );
        }
        rows
    }

    async fn rebuild(&self) -> Rebuilt {
        rebuild(&self.db.pool, &Books::default(), |_, _| ()).await.unwrap()
    }
}

#[tokio::test]
async fn a_rebuild_under_load_gives_the_same_bytes() {
    let w = world().await;
    w.happen(0..300).await;
    let enough = CancellationToken::new();
    let load = async {
        let mut n = 300;
        while !enough.is_cancelled() {
            w.happen(n..n + 20).await;
            n += 20;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let rebuilds = async {
        for _ in 0..2 {
            assert_eq!(w.rebuild().await.differences, 0);
            assert_eq!(rebuild(&w.db.pool, &Tiles, |_, _| ()).await.unwrap().differences, 0);
            // A wrong row in the middle of it all is found and mended, and nothing is lost.
            w.change("update statement_page set amounts[1] = 7 where first_position < 100").await;
            assert!(w.rebuild().await.differences > 0);
        }
        enough.cancel();
    };
    let stopped =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(load, rebuilds) });
    stopped.await.expect("the load ends");
    w.settled().await;
    let report = verify(&w.db.pool).await.unwrap();
    assert_eq!(report.problems, [""; 0]);
    let before = w.everything().await;
    assert_eq!(w.rebuild().await.differences, 0);
    // From nothing at all, the same.
    w.change("delete from ledger_account").await;
    w.change("delete from statement_page").await;
    w.change("delete from reservation").await;
    let rebuilt = w.rebuild().await;
    assert_eq!(rebuilt.position, report.events);
    assert!(rebuilt.differences > 10);
    assert_eq!(w.everything().await, before);
}

#[tokio::test]
async fn every_kind_of_wrong_row_is_found_and_mended() {
    let w = world().await;
    w.happen(0..200).await;
    w.settled().await;
    let before = w.everything().await;
    let faults = [
        "update ledger_account set balance = balance + 1 where id = 2",
        "update ledger_account set debits_pending = 0 where debits_pending > 0",
        "update ledger_account set state = 'frozen' where id = 2",
        "update ledger_account set position = 1 where id = 2",
        "delete from ledger_account where id = 2",
        "insert into ledger_account select 99, 'consumer.paid:usr_00000000000000000000000000000099',
             2010, 'CRD', 5, 0, 0, 'open', 1, 1",
        "update statement_page set amounts[1] = amounts[1] + 1 where account_id = 2",
        "update statement_page set opening = opening + 1 where account_id = 2",
        "update statement_page set last_position = last_position + 1 where account_id = 2",
        "delete from statement_page where account_id = 2",
        "insert into statement_page select account_id, first_position + 5000, last_position + 5000,
             opening, offsets, entries, amounts from statement_page where account_id = 2 limit 1",
        "insert into statement_page values (2, 7, 7, 0, '{}', '{}', '{}')",
        "update reservation set state = 'open' where state = 'posted'",
        "update reservation set amount = amount + 1",
        "delete from reservation where state = 'open'",
    ];
    for fault in faults {
        w.change(fault).await;
        assert!(w.rebuild().await.differences > 0, "{fault}");
        assert_eq!(w.everything().await, before, "{fault}");
        assert_eq!(w.rebuild().await.differences, 0, "{fault}");
    }
    let tile = "update merkle_tile set hashes = set_byte(hashes, 9, get_byte(hashes, 9) # 1)
        where level = 0";
    for fault in [tile, "delete from merkle_tile"] {
        w.change(fault).await;
        let rebuilt = rebuild(&w.db.pool, &Tiles, |_, _| ()).await.unwrap();
        assert_eq!(rebuilt.differences, 1, "{fault}");
        assert_eq!(w.everything().await, before, "{fault}");
    }
    let row =
        "select concat_ws(' ', position, differences, rebuilt_at is not null, rebuild_ms >= 0)
        from projection where name = 'tiles'";
    let noted: String = sqlx::query_scalar(row).fetch_one(&w.db.pool).await.unwrap();
    assert_eq!(noted, format!("{} 1 t t", w.log.head()));
}

#[tokio::test]
async fn a_position_that_a_hand_has_changed_is_put_right_and_the_projection_goes_on() {
    let w = world().await;
    w.happen(0..50).await;
    w.settled().await;
    let faults = [
        "update projection set position = 100000 where name = 'books'",
        "update projection set position = position - 30 where name = 'books'",
    ];
    for (fault, n) in faults.into_iter().zip([100, 200]) {
        w.change(fault).await;
        // What the projection does with it may be wrong, or nothing.
        w.happen(n..n + 10).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        w.rebuild().await;
        w.happen(n + 10..n + 20).await;
        // A projection that failed meanwhile starts again after a moment.
        let mut waited = 0;
        while !w.log.books_current().await {
            waited += 1;
            assert!(waited < 10, "{fault}");
        }
        assert_eq!(verify(&w.db.pool).await.unwrap().problems, [""; 0], "{fault}");
    }
}

#[tokio::test]
async fn one_rebuild_at_a_time_tells_how_far_it_is() {
    let w = world().await;
    w.happen(0..50).await;
    w.settled().await;
    let mut told = Vec::new();
    let outer = connect::<Books>(&w.db.pool).await.unwrap();
    let refused = rebuild(&w.db.pool, &Books::default(), |_, _| ()).await.unwrap_err();
    assert!(matches!(refused, RebuildError::Running("books")), "{refused}");
    close(outer).await.unwrap();
    let head = w.log.head();
    rebuild(&w.db.pool, &Books::default(), |done, all| told.push((done, all))).await.unwrap();
    assert_eq!((told.first(), told.last()), (Some(&(0, head)), Some(&(head, head))));
}

#[tokio::test]
async fn the_rights_of_the_application_are_enough() {
    let w = world().await;
    w.happen(0..200).await;
    w.settled().await;
    let before = w.everything().await;
    let options = PgConnectOptions::from_str(&w.db.url).unwrap().options([("role", "medusa_app")]);
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    for fault in [
        "update ledger_account set balance = balance + 1 where id = 2",
        "delete from statement_page",
        "update reservation set amount = amount + 1",
    ] {
        w.change(fault).await;
        assert!(rebuild(&pool, &Books::default(), |_, _| ()).await.unwrap().differences > 0);
    }
    w.change("update merkle_tile set hashes = set_byte(hashes, 0, 0)").await;
    assert_eq!(rebuild(&pool, &Tiles, |_, _| ()).await.unwrap().differences, 1);
    assert_eq!(w.everything().await, before);
}

#[tokio::test]
async fn nothing_is_built_from_an_event_that_was_changed() {
    let w = world().await;
    w.happen(0..30).await;
    w.settled().await;
    w.change("update ledger_account set balance = balance + 1 where id = 2").await;
    let before = w.everything().await;
    sqlx::raw_sql(
        "alter table event disable trigger user;
         update event set body = convert_to(replace(convert_from(body, 'UTF8'), 'test', 'Test'),
             'UTF8') where position = 7",
    )
    .execute(&w.db.pool)
    .await
    .unwrap();
    let refused = rebuild(&w.db.pool, &Books::default(), |_, _| ()).await.unwrap_err();
    assert!(matches!(refused, RebuildError::Log(LogError::Changed(7))), "{refused}");
    assert_eq!(w.everything().await, before, "nothing has changed");
}
