//! The orders that this service accepts, behind one cheap handle.

mod adjust;

use std::sync::Arc;

use medusa_api::{StatementPage, Tariff, Wallet};
use medusa_eventlog::desk::{Place, events_at};
use medusa_eventlog::{EventLog, Expect, NewEvent, Operation, Progress, project, read_stream};
use medusa_events::Fact;
use medusa_ledger::{Account, Change, Posting};
use medusa_platform::Clock;
use medusa_platform::supervise::supervise;
use medusa_types::{JobId, Sha256Hash, UserId};
use tokio_util::sync::CancellationToken;

use crate::config::BillingConfig;
use crate::domain::{moves, tariff};
use crate::error::BillingError;
use crate::projection::escrow::BillingProjection;
use crate::store::{balances, statement};

/// Lines of one page.
const PAGE_MAX: i64 = 200;
/// Events of one read.
const READ_MAX: i64 = 1_000;
/// Looks at a wallet until books and owners of escrows are of one moment.
const LOOKS_MAX: u32 = 3;

/// The billing service. Cheap to clone.
#[derive(Clone)]
pub struct Billing {
    config: Arc<BillingConfig>,
    log: EventLog,
    clock: Clock,
    /// How far the owners of escrows are.
    owners: Progress,
}

/// Keeps what the service reads of the log current, until `stop`.
pub fn project_regularly(billing: &Billing, stop: CancellationToken) {
    let (log, owners) = (billing.log.clone(), billing.owners.clone());
    supervise("billing.projection", stop, move || {
        project(log.clone(), Arc::new(BillingProjection), owners.clone())
    });
}

impl Billing {
    /// The service over this log. Puts its tariff into the log, unless it is the one in force.
    /// Wallets are current while [`project_regularly`] runs.
    ///
    /// # Errors
    /// When the log cannot be read or does not take the tariff.
    pub async fn start(
        config: BillingConfig,
        log: EventLog,
        clock: Clock,
    ) -> Result<Self, BillingError> {
        let owners = Progress::default();
        let billing = Self { config: Arc::new(config), log, clock, owners };
        billing.set_tariff().await?;
        Ok(billing)
    }

    async fn set_tariff(&self) -> Result<(), BillingError> {
        let stream = format!("tariff-{}", self.config.tariff.meter);
        let (mut version, mut in_force) = (0, None);
        loop {
            let events = read_stream(self.log.pool(), &stream, version, READ_MAX).await?;
            let Some(last) = events.last() else { break };
            version = last.envelope.version;
            in_force = tariff::listed(&last.envelope.fact);
        }
        if in_force.as_ref() == Some(&self.config.tariff) {
            return Ok(());
        }
        let fact = tariff::fact(&self.config.tariff);
        // The version is part of the key: a tariff that comes back later is a new event.
        let text = format!("{version}:{fact:?}");
        let request = Sha256Hash::of(text.as_bytes());
        let operation = Operation::house(format!("tariff:{request}"), request);
        let mut event = NewEvent::new(stream, fact);
        event.expect = Expect::Version(version);
        self.log.append_one(Some(operation), event).await?;
        Ok(())
    }

    /// The prices that new quotes are made of.
    #[must_use]
    pub fn tariff(&self) -> Tariff {
        self.config.tariff.clone()
    }

    /// Gives the welcome credits; the second time changes nothing, whatever the gift is by then.
    ///
    /// # Errors
    /// When the log does not take it; try again.
    pub async fn grant_welcome(&self, user: UserId) -> Result<(), BillingError> {
        let amount = self.config.welcome;
        let fact = Fact::CreditsGranted { user, amount, why: "welcome".to_owned() };
        let key = format!("welcome:{user}");
        let request = Sha256Hash::of(key.as_bytes());
        let moves = moves(&fact);
        let event = NewEvent::new(format!("account-{user}"), fact).moving(moves);
        let operation = Operation::house(key, request);
        self.log.append_one(Some(operation), event).await?;
        Ok(())
    }

    /// A person's balances, as of the last event that touched them.
    ///
    /// # Errors
    /// When the balances cannot be read.
    pub async fn wallet(&self, user: UserId) -> Result<Wallet, BillingError> {
        self.current().await;
        let mut db = self.log.pool().acquire().await?;
        let mut read = balances::wallet(&mut db, user).await?;
        // With a hold whose owner is not known yet, credits would be gone for a moment.
        for _ in 1..LOOKS_MAX {
            if read.owners >= read.books {
                break;
            }
            self.owners.reached(read.books).await;
            read = balances::wallet(&mut db, user).await?;
        }
        Ok(read.wallet)
    }

    /// A person's movements, newest first; `before` is the cursor of the page before.
    ///
    /// # Errors
    /// [`BillingError::Cursor`].
    pub async fn statement(
        &self,
        user: UserId,
        limit: i64,
        before: Option<&str>,
    ) -> Result<StatementPage, BillingError> {
        let before = before.map_or(Ok(Place::END), str::parse);
        let before = before.map_err(|_| BillingError::Cursor)?;
        let limit = usize::try_from(limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        self.log.books_current().await;
        let mut db = self.log.pool().acquire().await?;
        let lines = statement::lines(&mut db, user, before, limit).await?;
        let full = lines.len() == limit;
        let next = lines.last().filter(|_| full).map(|(place, _)| place.to_string());
        Ok(StatementPage { items: lines.into_iter().map(|(_, line)| line).collect(), next })
    }

    /// Whether an event touched an account of this person or of a job that the person pays for:
    /// then the person may see it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn touches(&self, user: UserId, position: i64) -> Result<bool, BillingError> {
        let mut db = self.log.pool().acquire().await?;
        let events = events_at(&mut db, &[position]).await?;
        let Some(event) = events.get(&position) else { return Ok(false) };
        let moved = event.postings.iter().map(|Posting(account, _)| account);
        let accounts: Vec<&Account> = moved.chain(event.changes.iter().flat_map(named)).collect();
        if accounts.iter().any(|account| account.user() == Some(user)) {
            return Ok(true);
        }
        let jobs: Vec<JobId> = accounts.iter().filter_map(|account| account.job()).collect();
        if jobs.is_empty() {
            return Ok(false);
        }
        self.owners.reached(position).await;
        Ok(balances::pays(&mut db, user, &jobs).await?)
    }

    /// Waits until what is read here shows everything that is committed now; it may be slightly
    /// older when that takes too long.
    async fn current(&self) {
        self.log.books_current().await;
        self.owners.reached(self.log.head()).await;
    }
}

/// The accounts that a change of the books names.
fn named(change: &Change) -> Vec<&Account> {
    match change {
        Change::Reserved { from, to, .. } => vec![from, to],
        Change::State { account, .. } => vec![account],
        Change::Resolved { .. } => Vec::new(),
    }
}
