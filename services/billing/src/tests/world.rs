//! A log with people and jobs for one test.

use medusa_eventlog::{AppendError, Appended, EventLog, LogConfig, NewEvent};
use medusa_events::{AttemptShare, Fact};
use medusa_ledger::Move;
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_types::{AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Timestamp, UserId, Uuid};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Billing, BillingConfig, moves, project_regularly};

pub(super) fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

pub(super) fn job(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

pub(super) fn micros(n: i64) -> Credits {
    Credits::from_micros(n)
}

pub(super) struct World {
    pub(super) billing: Billing,
    pub(super) log: EventLog,
    pub(super) db: TestDb,
    pub(super) clock: Clock,
    _stop: DropGuard,
}

impl World {
    pub(super) async fn new() -> Self {
        let db = TestDb::new().await.unwrap();
        let stop = CancellationToken::new();
        let (clock, _) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
        let log = medusa_eventlog::start(config, stop.clone()).await.unwrap();
        let billing = Billing::start(BillingConfig::default(), log.clone(), clock.clone());
        let billing = billing.await.unwrap();
        project_regularly(&billing, stop.clone());
        Self { billing, log, db, clock, _stop: stop.drop_guard() }
    }

    /// Appends a fact with the moves that belong to it.
    pub(super) async fn happen(&self, stream: &str, fact: Fact) -> Result<Appended, AppendError> {
        let moves = moves(&fact);
        self.log.append_one(None, NewEvent::new(stream.into(), fact).moving(moves)).await
    }

    /// Appends moves that another service would ask for.
    pub(super) async fn moving(&self, moves: Vec<Move>) -> i64 {
        let event = NewEvent::new("test".into(), Fact::MergeStarted { job: job(1) });
        self.log.append_one(None, event.moving(moves)).await.unwrap().position
    }

    pub(super) async fn hold(&self, of: UserId, id: JobId, amount: i64) -> i64 {
        let fact = Fact::EscrowHeld { job: id, owner: of, amount: micros(amount) };
        self.happen(&format!("job-{id}"), fact).await.unwrap().position
    }

    /// Pays lenders for chunk 12, each with a thousandth of fee on top of all.
    pub(super) async fn settle(&self, id: JobId, shares: &[(UserId, i64)], fee: i64) -> i64 {
        let price = micros(shares.iter().map(|(_, n)| n).sum::<i64>() + fee);
        let share = |(lender, amount): &(UserId, i64)| AttemptShare {
            lease: LeaseId(lender.0),
            agent: AgentId(lender.0),
            lender: *lender,
            amount: micros(*amount),
        };
        let shares = shares.iter().map(share).collect();
        let (chunk, fuel) = (ChunkIndex(12), Fuel(1));
        let fact = Fact::ChunkSettled { job: id, chunk, fuel, price, fee: micros(fee), shares };
        self.happen(&format!("job-{id}"), fact).await.unwrap().position
    }

    pub(super) async fn release(&self, of: UserId, id: JobId) -> i64 {
        let fact = Fact::EscrowReleased { job: id, owner: of };
        self.happen(&format!("job-{id}"), fact).await.unwrap().position
    }
}
