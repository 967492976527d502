//! The desk against a real log with hundreds of events, and against a fold of the same events
//! that knows nothing of how the books are stored.

mod books;
mod events;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use medusa_events::{Envelope, Fact};
use medusa_ledger::flows::{self, Purchase};
use medusa_ledger::{Account, Amount, Bucket, Cents, Class, Move, Posting, Provider};
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_types::{Credits, JobId, Timestamp, UserId, Uuid};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::{Append, LogConfig, NewEvent, read_events};

const START: i64 = 1_800_000_000_000_000;

pub(super) struct World {
    pub(super) desk: Desk,
    pub(super) log: EventLog,
    pub(super) db: TestDb,
    hand: Arc<AtomicI64>,
    _stop: DropGuard,
}

pub(super) fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn job(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

/// An event of one of a few streams, by one of a few persons.
pub(super) fn event(n: u128, moves: Vec<Move>) -> NewEvent {
    let fact = match n % 3 {
        0 => Fact::MergeStarted { job: job(n) },
        _ => Fact::CreditsGranted { user: user(n), amount: Credits::ZERO, why: "test".into() },
    };
    let event = NewEvent::new(format!("stream-{}", n % 4), fact).moving(moves);
    if n.is_multiple_of(5) { event.by(user(n % 2)) } else { event }
}

/// Moves of many kinds, of which none is refused.
fn moves(n: u128) -> Vec<Move> {
    let (person, amount) = (user(n % 7), Credits::from_micros(i64::try_from(n).unwrap() + 100));
    let wallet = Account::wallet(Bucket::Promo, person);
    match n % 6 {
        // Two lines on one account.
        0 => [flows::grant(person, amount), flows::grant(person, Credits::from_micros(1))].concat(),
        1 => Vec::new(),
        2 => flows::purchase(&Purchase {
            provider: Provider::new("acme").unwrap(),
            user: person,
            cents: Cents::new(5),
            credits: amount,
        }),
        3 => vec![Move::UpTo {
            from: wallet,
            to: Account::escrow(Bucket::Promo, job(n)),
            amount: Amount::new(50),
        }],
        4 => flows::freeze(user(100 + n)),
        _ => flows::grant(user(n), amount),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let db = TestDb::new().await.unwrap();
        let stop = CancellationToken::new();
        let (clock, hand) = Clock::manual(Timestamp::from_micros(START));
        let config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
        let log = crate::start(config, stop.clone()).await.unwrap();
        let desk = Desk::new(log.clone(), clock);
        Self { desk, log, db, hand, _stop: stop.drop_guard() }
    }

    /// A world in which much has happened, a millisecond after each handful.
    pub(super) async fn busy(events: u128) -> Self {
        let world = Self::new().await;
        let mut n = 0;
        while n < events {
            // Handfuls of very different sizes, so that statements are stored in all kinds of rows.
            let handful = [1, 2, 40, 1, 300][usize::try_from(n % 5).unwrap()].min(events - n);
            let appends = (n..n + handful)
                .map(|n| Append { operation: None, events: vec![event(n, moves(n))] })
                .collect();
            world.wait_ms(1);
            for answer in world.log.append_all(appends).await.unwrap() {
                answer.unwrap();
            }
            assert!(world.log.books_current().await);
            n += handful;
        }
        world
    }

    pub(super) fn wait_ms(&self, ms: i64) {
        self.hand.fetch_add(ms * 1_000, Ordering::SeqCst);
    }

    pub(super) async fn all(&self) -> Vec<Envelope> {
        let events = read_events(&self.db.pool, 0, 100_000).await.unwrap();
        events.iter().map(|event| event.envelope.clone()).collect()
    }
}

/// Balances and numbers of lines, folded from the postings.
#[derive(Default)]
struct Fold(BTreeMap<Account, (Amount, u64)>);

impl Fold {
    fn take(&mut self, event: &Envelope) {
        for Posting(account, amount) in &event.postings {
            let (balance, lines) = self.0.entry(*account).or_default();
            *balance = balance.checked_add(*amount).unwrap();
            *lines += 1;
        }
    }

    /// Class, used accounts and balance, by code.
    fn classes(&self) -> Vec<(String, u64, String)> {
        let mut classes: BTreeMap<Class, (u64, i64)> = BTreeMap::new();
        for (account, (balance, _)) in &self.0 {
            let (accounts, sum) = classes.entry(account.class()).or_default();
            *accounts += 1;
            *sum += balance.units();
        }
        let line = |(class, (accounts, sum)): (Class, (u64, i64))| {
            (class.name().to_owned(), accounts, class.currency().show(Amount::new(sum)))
        };
        classes.into_iter().map(line).collect()
    }
}
