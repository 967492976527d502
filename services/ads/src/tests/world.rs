//! One service for one test, over a database of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use medusa_eventlog::{EventLog, LogConfig, read_stream};
use medusa_ledger::{Account, Bucket};
use medusa_platform::{ApiError, Clock, Random};
use medusa_testkit::TestDb;
use medusa_types::{Timestamp, UserId, Uuid};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::store::reserve;
use crate::{AdReward, Ads, AdsConfig, AdsError};

pub(super) fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

pub(super) struct World {
    pub(super) ads: Ads,
    pub(super) db: TestDb,
    pub(super) log: EventLog,
    pub(super) clock: Clock,
    hand: Arc<AtomicI64>,
    _stop: DropGuard,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(AdsConfig::default()).await
    }

    pub(super) async fn with(config: AdsConfig) -> Self {
        let db = TestDb::new().await.unwrap();
        let stop = CancellationToken::new();
        let (clock, hand) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
        let log_config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
        let log = medusa_eventlog::start(log_config, stop.clone()).await.unwrap();
        let ads = Ads::start(config, log.clone(), clock.clone(), Random::system()).await.unwrap();
        Self { ads, db, log, clock, hand, _stop: stop.drop_guard() }
    }

    /// Lets time pass.
    pub(super) fn wait(&self, seconds: i64) {
        self.hand.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Watches an ad to its end and claims it.
    pub(super) async fn watch(&self, of: UserId) -> Result<AdReward, AdsError> {
        let offer = self.ads.offer(of).await?;
        self.wait(i64::from(offer.seconds));
        self.ads.claim(of, offer.offer).await
    }

    pub(super) async fn balance(&self, account: Account) -> String {
        assert!(self.log.books_current().await);
        let mut db = self.db.pool.acquire().await.unwrap();
        reserve::balance(&mut db, &account).await.unwrap().to_string()
    }

    /// What the campaign has left, what the platform earned, and the ad credits of a person.
    pub(super) async fn money(&self, of: UserId) -> [String; 3] {
        let campaign = AdsConfig::default().house.id;
        [
            self.balance(Account::campaign_reserve(campaign)).await,
            self.balance(Account::ad_margin()).await,
            self.balance(Account::wallet(Bucket::Ad, of)).await,
        ]
    }

    /// The types of the campaign's events.
    pub(super) async fn events(&self) -> Vec<&'static str> {
        let stream = format!("campaign-{}", AdsConfig::default().house.id);
        let events = read_stream(&self.db.pool, &stream, 0, 100).await.unwrap();
        events.iter().map(|event| event.envelope.kind()).collect()
    }
}

/// The stable code of a refusal, and how long to wait.
pub(super) fn code<T: std::fmt::Debug>(answer: Result<T, AdsError>) -> (String, Option<u64>) {
    let problem = ApiError::from(answer.unwrap_err()).0;
    (problem.code, problem.retry_after)
}
