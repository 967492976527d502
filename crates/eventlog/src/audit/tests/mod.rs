//! The log as outsiders check it, against a real database: what is proven is right, whatever is
//! stored of the tree; and nothing is signed over a history that was changed.

mod checkpoints;
mod proofs;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use medusa_events::{Envelope, Fact};
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_tlog::{Frontier, Hash, Signer, TreeHead, leaf_hash};
use medusa_types::{Credits, Sha256Hash, Timestamp, UserId, Uuid};
use sqlx::Executor as _;

use super::*;
use crate::projector::Projection as _;
use crate::{Append, EventLog, LogConfig, NewEvent, StoredEvent, Tiles, read_events, start};

const ORIGIN: &str = "medusa.test/log";

struct World {
    db: TestDb,
    log: EventLog,
    auditor: Auditor,
    hand: Arc<AtomicI64>,
}

/// A log of so many events, and an auditor with a clock of its own.
async fn world(events: usize) -> World {
    let db = TestDb::new().await.unwrap();
    let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
    let log = start(config, tokio_util::sync::CancellationToken::new()).await.unwrap();
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_000_000_000));
    let auditor = Auditor::new(db.pool.clone(), signer(), clock);
    let world = World { db, log, auditor, hand };
    world.grow(events).await;
    world
}

fn signer() -> Signer {
    Signer::new(ORIGIN, &[3; 32])
}

impl World {
    async fn grow(&self, events: usize) {
        if events == 0 {
            return;
        }
        let event = |n: usize| {
            let user = UserId(Uuid::from_u128(n.try_into().unwrap()));
            let fact = Fact::CreditsGranted { user, amount: Credits::ZERO, why: "test".into() };
            NewEvent::new(format!("account-{user}"), fact)
        };
        let events = (0..events).map(event).collect();
        self.log.append(Append { operation: None, events }).await.unwrap();
    }

    /// What a server that starts now works with.
    fn restarted(&self) -> Auditor {
        Auditor::new(self.db.pool.clone(), signer(), Clock::system())
    }

    /// The leaves as they follow from the stored bytes.
    async fn leaves(&self) -> Vec<Hash> {
        let events = read_events(&self.db.pool, 0, i64::MAX).await.unwrap();
        events.iter().map(|event| leaf_hash(&event.body)).collect()
    }

    /// Writes the tiles of all events, in spans of uneven lengths.
    async fn project(&self) {
        let events = read_events(&self.db.pool, 0, i64::MAX).await.unwrap();
        let mut rest = events.as_slice();
        for span in [1, 255, 1, 100, 7].into_iter().cycle() {
            let (now, later) = rest.split_at(span.min(rest.len()));
            self.apply(now).await;
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }

    async fn apply(&self, events: &[Arc<StoredEvent>]) {
        let mut tx = self.db.pool.begin().await.unwrap();
        Tiles.apply(&mut tx, events).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Runs a statement as whoever owns the database and has switched the triggers off.
    async fn tamper(&self, statement: &'static str) {
        let mut db = self.db.pool.acquire().await.unwrap();
        db.execute("alter table event disable trigger user").await.unwrap();
        db.execute(statement).await.unwrap();
        db.execute("alter table event enable always trigger event_append_only").await.unwrap();
    }

    /// Makes the head fit the stored leaves, as somebody would who rewrites the log well.
    async fn fit_head(&self) {
        let leaves: Vec<Vec<u8>> = sqlx::query_scalar("select leaf from event order by position")
            .fetch_all(&self.db.pool)
            .await
            .unwrap();
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(leaf.as_slice().try_into().unwrap()));
        let peaks: Vec<Vec<u8>> = frontier.peaks().iter().map(|peak| peak.to_vec()).collect();
        sqlx::query("update log_head set root = $1, frontier = $2, position = $3")
            .bind(frontier.root().as_slice())
            .bind(peaks)
            .bind(i64::try_from(leaves.len()).unwrap())
            .execute(&self.db.pool)
            .await
            .unwrap();
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db.pool).await.unwrap()
    }
}

/// The heads of all trees over the first leaves, by size.
fn heads(leaves: &[Hash]) -> Vec<TreeHead> {
    let mut frontier = Frontier::default();
    let mut heads = vec![frontier.head()];
    for leaf in leaves {
        frontier.push(*leaf);
        heads.push(frontier.head());
    }
    heads
}

fn plain(hashes: &[Sha256Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

/// The event at another position with another leaf, for what looks at nothing else.
fn moved(event: &StoredEvent, position: i64, leaf: Hash) -> Arc<StoredEvent> {
    let envelope = Envelope { position, ..event.envelope.clone() };
    Arc::new(StoredEvent { envelope, body: event.body.clone(), leaf: Sha256Hash(leaf) })
}
