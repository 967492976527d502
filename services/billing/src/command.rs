//! The orders that this service accepts, behind one cheap handle.

use std::sync::Arc;

use medusa_api::{StatementPage, Tariff, TrialBalance, Wallet};
use medusa_eventlog::{EventLog, Expect, NewEvent, Operation, read_stream};
use medusa_events::Fact;
use medusa_types::{Sha256Hash, UserId};

use crate::config::BillingConfig;
use crate::domain::{Cursor, moves};
use crate::error::BillingError;
use crate::store::{balances, statement};

/// Lines of one page.
const PAGE_MAX: i64 = 200;
/// Events of one read.
const READ_MAX: i64 = 1_000;

/// The billing service. Cheap to clone.
#[derive(Clone)]
pub struct Billing {
    config: Arc<BillingConfig>,
    log: EventLog,
}

impl Billing {
    /// The service over this log. Puts its tariff into the log, unless it is the one in force.
    ///
    /// # Errors
    /// When the log cannot be read or does not take the tariff.
    pub async fn start(config: BillingConfig, log: EventLog) -> Result<Self, BillingError> {
        let billing = Self { config: Arc::new(config), log };
        billing.set_tariff().await?;
        Ok(billing)
    }

    async fn set_tariff(&self) -> Result<(), BillingError> {
        let Tariff { meter, per_gfuel, per_start, fee_permille } = self.config.tariff.clone();
        let stream = format!("tariff-{meter}");
        let fact = Fact::TariffSet { meter, per_gfuel, per_start, fee_permille };
        let (mut version, mut in_force) = (0, None);
        loop {
            let events = read_stream(self.log.pool(), &stream, version, READ_MAX).await?;
            let Some(last) = events.last() else { break };
            version = last.envelope.version;
            in_force = Some(last.envelope.fact.clone());
        }
        if in_force.as_ref() == Some(&fact) {
            return Ok(());
        }
        // The version is part of the key: a tariff that comes back later is a new event.
        let text = format!("{version}:{fact:?}");
        let request = Sha256Hash::of(text.as_bytes());
        let operation = Operation { key: format!("tariff:{request}"), request };
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
        self.log.append_one(Some(Operation { key, request }), event).await?;
        Ok(())
    }

    /// A person's balances, as of the last event that moved them.
    ///
    /// # Errors
    /// When the balances cannot be read.
    pub async fn wallet(&self, user: UserId) -> Result<Wallet, BillingError> {
        let mut db = self.log.pool().acquire().await?;
        Ok(balances::wallet(&mut db, user).await?)
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
        let before = before.map_or(Ok(Cursor::NEWEST), str::parse);
        let before = before.map_err(|()| BillingError::Cursor)?;
        let limit = limit.clamp(1, PAGE_MAX);
        let mut db = self.log.pool().acquire().await?;
        let lines = statement::lines(&mut db, user, before, limit).await?;
        let full = i64::try_from(lines.len()).unwrap_or_default() == limit;
        let next = lines.last().filter(|_| full).map(|(place, _)| place.to_string());
        Ok(StatementPage { items: lines.into_iter().map(|(_, line)| line).collect(), next })
    }

    /// Whether an event moved credits of this person, who then may see it.
    ///
    /// # Errors
    /// When the balances cannot be read.
    pub async fn touches(&self, user: UserId, position: i64) -> Result<bool, BillingError> {
        let mut db = self.log.pool().acquire().await?;
        Ok(balances::touches(&mut db, user, position).await?)
    }

    /// The books by class. They sum to nothing.
    ///
    /// # Errors
    /// When the balances cannot be read.
    pub async fn trial_balance(&self) -> Result<TrialBalance, BillingError> {
        let mut db = self.log.pool().acquire().await?;
        Ok(balances::trial(&mut db).await?)
    }
}
