//! Commands through the writer: reservations, refusals that last, clamped amounts, bad batches,
//! and repetitions of everything.

use medusa_ledger::{AccountState, Change, PendingState, Resolution};
use medusa_types::{PendingId, Timestamp};
use proptest::test_runner::{Config, TestRunner};

use super::*;

fn wallet(n: u128) -> Account {
    Account::wallet(Bucket::Promo, user(n))
}

/// An event about a person that makes these moves.
fn moving(n: u128, moves: Vec<Move>) -> NewEvent {
    gift(n, 1).moving(moves)
}

fn pending(n: u128) -> PendingId {
    PendingId(Uuid::from_u128(n))
}

fn reserve(n: u128, amount: i64, expires_at: Option<Timestamp>) -> Move {
    let (from, to) = (wallet(1), wallet(2));
    Move::Reserve { pending: pending(n), from, to, amount: units(amount), expires_at }
}

/// What a client asks for under this key.
fn asked(key: &str, event: NewEvent) -> Append {
    let operation = Operation::client(user(1), key, Sha256Hash([1; 32]));
    Append { operation: Some(operation), events: vec![event] }
}

async fn column(w: &World, query: &str) -> Vec<String> {
    assert!(w.log.books_current().await);
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&w.db.pool).await.unwrap()
}

#[tokio::test]
async fn a_reservation_is_posted_in_part_and_shown() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    w.log.append_one(None, moving(1, vec![reserve(7, 60, None)])).await.unwrap();
    let short = w.log.append_one(None, payment(1, 2, 41)).await.unwrap_err();
    let expected = Refusal::Short { currency: Currency::Crd, has: units(40), due: units(41) };
    assert_eq!(short, AppendError::Ledger(expected));
    let shown =
        "select account || ' ' || balance || ' ' || debits_pending || ' ' || credits_pending
                 from ledger_account where account like 'consumer%' order by id";
    let zeros = |n: u32| format!("consumer.promo:usr_{n:032x}");
    assert_eq!(
        column(&w, shown).await,
        [format!("{} 100 60 0", zeros(1)), format!("{} 0 0 60", zeros(2))]
    );
    let post = Move::Post { pending: pending(7), amount: Some(units(25)) };
    w.log.append_one(None, moving(1, vec![post.clone()])).await.unwrap();
    assert_eq!(
        column(&w, shown).await,
        [format!("{} 75 0 0", zeros(1)), format!("{} 25 0 0", zeros(2))]
    );
    let again = w.log.append_one(None, moving(1, vec![post])).await.unwrap_err();
    assert_eq!(again, AppendError::Ledger(Refusal::PendingPosted(pending(7))));
    let stored = "select state || ' ' || amount || ' ' || posted from reservation";
    assert_eq!(column(&w, stored).await, ["posted 60 25"]);
    assert!(verify(&w.db.pool).await.unwrap().ok);
}

#[tokio::test]
async fn the_clock_of_the_server_frees_what_was_reserved() {
    let db = TestDb::new().await.unwrap();
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let stop = CancellationToken::new();
    let config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
    let log = start(config.clone(), stop.clone()).await.unwrap();
    log.append_one(None, gift(1, 100)).await.unwrap();
    let soon = clock.now().plus_ms(1_000);
    let moves = vec![reserve(1, 30, Some(soon)), reserve(2, 20, Some(soon.plus_ms(5_000)))];
    log.append_one(None, moving(1, moves)).await.unwrap();
    let past = moving(1, vec![reserve(3, 1, Some(clock.now()))]);
    let refused = log.append_one(None, past).await.unwrap_err();
    assert_eq!(refused, AppendError::Ledger(Refusal::ExpiryPast(pending(3))));
    // No command comes: the writer notices by itself.
    hand.fetch_add(1_500_000, std::sync::atomic::Ordering::SeqCst);
    let mut tail = log.tail(2);
    let freed = tokio::time::timeout(std::time::Duration::from_secs(5), tail.next()).await;
    let freed = freed.unwrap().unwrap();
    assert_eq!(freed[0].envelope.kind(), "billing.reservation_expired");
    let resolved =
        Change::Resolved { pending: pending(1), how: Resolution::Expired, amount: units(0) };
    assert_eq!(freed[0].envelope.changes, [resolved]);
    // Another writer, which was not there, frees the other one; before any late command.
    stop.cancel();
    hand.fetch_add(10_000_000, std::sync::atomic::Ordering::SeqCst);
    let log = start(config, CancellationToken::new()).await.unwrap();
    let late = moving(1, vec![Move::Post { pending: pending(2), amount: None }]);
    let refused = log.append_one(None, late).await.unwrap_err();
    assert_eq!(refused, AppendError::Ledger(Refusal::PendingExpired(pending(2))));
    log.append_one(None, payment(1, 2, 100)).await.unwrap();
    assert!(verify(&db.pool).await.unwrap().ok);
}

#[tokio::test]
async fn an_ended_reservation_is_known_after_a_restart() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    w.log.append_one(None, moving(1, vec![reserve(7, 60, None)])).await.unwrap();
    w.log.append_one(None, moving(1, vec![Move::Void { pending: pending(7) }])).await.unwrap();
    assert!(w.log.books_current().await);
    w.stop.cancel();
    let log = start(config(&w.db), CancellationToken::new()).await.unwrap();
    for (wish, refusal) in [
        (Move::Void { pending: pending(7) }, Refusal::PendingVoided(pending(7))),
        (reserve(7, 1, None), Refusal::PendingExists(pending(7))),
        (Move::Void { pending: pending(8) }, Refusal::PendingMissing(pending(8))),
    ] {
        let refused = log.append_one(None, moving(1, vec![wish])).await;
        assert_eq!(refused.unwrap_err(), AppendError::Ledger(refusal));
    }
}

#[tokio::test]
async fn a_clients_id_that_was_refused_for_want_of_credits_stays_refused() {
    let w = world().await;
    let refused = w.log.append(asked("k", payment(1, 2, 5))).await.unwrap_err();
    assert!(matches!(refused, AppendError::Ledger(Refusal::Short { .. })));
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    let code = || AppendError::RefusedBefore("billing.credits_short".into());
    assert_eq!(w.log.append(asked("k", payment(1, 2, 5))).await, Err(code()));
    w.stop.cancel();
    let log = start(config(&w.db), CancellationToken::new()).await.unwrap();
    assert_eq!(log.append(asked("k", payment(1, 2, 5))).await, Err(code()));
    // A new key may; and what can never be right is not remembered.
    log.append(asked("l", payment(1, 2, 5))).await.unwrap();
    let wrong = log.append(asked("m", payment(1, 2, -5))).await.unwrap_err();
    assert_eq!(wrong, AppendError::Ledger(Refusal::Negative));
    log.append(asked("m", payment(1, 2, 5))).await.unwrap();
    // The house tries again under the same id.
    let house = |key: &str| operation(key, 1);
    log.append_one(house("h"), payment(1, 2, 95)).await.unwrap_err();
    log.append_one(None, gift(1, 100)).await.unwrap();
    log.append_one(house("h"), payment(1, 2, 95)).await.unwrap();
}

#[tokio::test]
async fn a_refused_command_spoils_nothing_else_in_its_batch() {
    let w = world().await;
    w.log.append_one(None, gift(1, 100)).await.unwrap();
    let large = NewEvent {
        fact: Fact::CreditsGranted {
            user: user(1),
            amount: units(1).credits(),
            why: "x".repeat(70_000),
        },
        ..gift(1, 1)
    };
    let batch = vec![
        asked("a", payment(1, 2, 60)),
        asked("b", payment(1, 2, 60)),
        asked(
            "c",
            moving(1, vec![Move::UpTo { from: wallet(1), to: wallet(2), amount: units(60) }]),
        ),
        asked("d", large),
        asked(
            "e",
            moving(2, vec![Move::SetState { account: wallet(2), state: AccountState::Frozen }]),
        ),
        asked("f", payment(2, 1, 1)),
        asked("g", moving(2, vec![Move::Rest { from: wallet(2), to: wallet(2) }])),
        asked("a", payment(1, 2, 60)),
    ];
    let answers = w.log.append_all(batch).await.unwrap();
    let told: Vec<String> = answers
        .iter()
        .map(|answer| match answer {
            Ok(appended) if appended.replayed => format!("{} again", appended.position),
            Ok(appended) => {
                let moved = appended.postings[0].iter().map(|p| p.1.units()).max();
                format!("{} {}", appended.position, moved.unwrap_or_default())
            }
            Err(AppendError::Ledger(refusal)) => refusal.code().to_owned(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 60",
            "billing.credits_short",
            "3 40",
            "an event of 70413 bytes is too large for the log",
            "4 0",
            "billing.account_frozen",
            "billing.same_account",
            "2 again",
        ]
    );
    assert!(w.log.books_current().await);
    assert!(verify(&w.db.pool).await.unwrap().ok);
}

/// A random run, then every one of its commands again in another order: nothing changes, and every
/// answer is the one from before.
#[test]
fn delivering_every_command_again_changes_nothing() {
    let rt = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 6, ..Config::default() };
    let step = (0_u8..6, 1_u128..4, 1_u128..4, 0_i64..40);
    let steps = proptest::collection::vec(step, 1..60);
    TestRunner::new(config)
        .run(&(steps, proptest::num::u64::ANY), |(steps, seed)| {
            rt.block_on(deliver_twice(&steps, seed));
            Ok(())
        })
        .unwrap();
}

async fn deliver_twice(steps: &[(u8, u128, u128, i64)], seed: u64) {
    let w = world().await;
    let command = |n: usize, (kind, a, b, amount): (u8, u128, u128, i64)| {
        let event = match kind {
            0 => gift(a, amount),
            1 | 2 => payment(a, b, amount),
            3 => moving(1, vec![reserve(u128::try_from(n % 9).unwrap(), amount, None)]),
            4 => moving(1, vec![Move::Post { pending: pending(a), amount: None }]),
            _ => moving(1, vec![Move::Void { pending: pending(b) }]),
        };
        let operation = Operation::client(user(a), &format!("k{n}"), Sha256Hash([1; 32]));
        Append { operation: Some(operation), events: vec![event] }
    };
    let mut commands: Vec<(usize, Append)> =
        steps.iter().enumerate().map(|(n, step)| (n, command(n, *step))).collect();
    let mut first = Vec::new();
    for (_, append) in &commands {
        first.push(w.log.append(append.clone()).await);
    }
    let head = w.log.head();
    let state = "select account || balance || ' ' || debits_pending || ' ' || lines
                 from ledger_account order by id";
    let before = column(&w, state).await;
    commands.sort_by_key(|(n, _)| seed.rotate_left(u32::try_from(n % 64).unwrap()) ^ 0x5a5a);
    for (n, append) in commands {
        let again = w.log.append(append).await;
        match (&first[n], again) {
            (Ok(done), Ok(again)) => {
                assert_eq!((again.position, again.replayed), (done.position, true));
            }
            (Err(AppendError::Ledger(refusal)), Err(AppendError::RefusedBefore(code))) => {
                assert!(refusal.is_transient() && refusal.code() == code);
            }
            // What can never be right is refused again, as it was; unless a reservation that it
            // names has changed since.
            (Err(AppendError::Ledger(refusal)), Err(AppendError::Ledger(_))) => {
                assert!(!refusal.is_transient());
            }
            (before, again) => panic!("command {n}: {before:?}, then {again:?}"),
        }
    }
    assert_eq!(w.log.head(), head);
    assert_eq!(column(&w, state).await, before);
    assert!(verify(&w.db.pool).await.unwrap().ok);
}

#[test]
fn the_states_of_reservations_have_names_in_the_table() {
    for (how, state) in [
        (Resolution::Posted, PendingState::Posted),
        (Resolution::Voided, PendingState::Voided),
        (Resolution::Expired, PendingState::Expired),
    ] {
        assert_eq!(format!("{how:?}"), format!("{state:?}"));
    }
}
