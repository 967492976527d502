//! What a consumer may do to a job that was submitted: pause and resume it, raise its budget, give
//! failed chunks another chance, stop it, and run the same again.

use std::time::Duration;

use medusa_api::{Job as JobView, JobState, Quote, QuoteRequest};
use medusa_eventlog::{AppendError, Operation};
use medusa_platform::Principal;
use medusa_types::{Credits, Fuel, JobId, Role, Sha256Hash, UserId};

use super::Jobs;
use super::retention::kept;
use crate::actor::{Control, ControlJob, FuelLimit};
use crate::error::JobsError;
use crate::store;

/// More than the fuel limit is raised to by one retry.
const FUEL_TIMES_MAX: u32 = 100;
/// How often an order is decided that others crossed, and the time between.
const ORDER_TRIES: u32 = 20;
const ORDER_PAUSE: Duration = Duration::from_millis(50);

impl Jobs {
    /// Hands out nothing more until it is resumed; chunks under way are finished and paid.
    ///
    /// # Errors
    /// [`JobsError::Ended`] when it has ended.
    pub async fn pause(&self, user: UserId, key: &str, id: JobId) -> Result<JobView, JobsError> {
        self.control(user, key, id, Control::Pause).await
    }

    /// Goes on with a paused job.
    ///
    /// # Errors
    /// [`JobsError::Stuck`] when that for which it paused is still so.
    pub async fn resume(&self, user: UserId, key: &str, id: JobId) -> Result<JobView, JobsError> {
        self.control(user, key, id, Control::Resume).await
    }

    /// Holds more for a job; one that paused for want of it goes on.
    ///
    /// # Errors
    /// `billing.credits_short` when the wallet does not cover it; [`JobsError::Amount`] when it is
    /// not more than nothing.
    pub async fn raise(
        &self,
        user: UserId,
        key: &str,
        id: JobId,
        amount: Credits,
    ) -> Result<JobView, JobsError> {
        if !amount.is_positive() {
            return Err(JobsError::Amount);
        }
        self.control(user, key, id, Control::Raise(amount)).await
    }

    /// Gives failed chunks another chance, with so many times the fuel of before.
    ///
    /// # Errors
    /// [`JobsError::NothingFailed`]; [`JobsError::FuelTimes`] when it is not 1 to 100.
    pub async fn retry(
        &self,
        user: UserId,
        key: &str,
        id: JobId,
        fuel_times: u32,
    ) -> Result<JobView, JobsError> {
        if !(1..=FUEL_TIMES_MAX).contains(&fuel_times) {
            return Err(JobsError::FuelTimes);
        }
        if self.job(user, id).await?.state.is_final() {
            return Err(JobsError::Ended);
        }
        let limit = self.actor(id).await?.send(FuelLimit).await?;
        let limit = Fuel(limit.0.saturating_mul(u64::from(fuel_times)));
        self.control(user, key, id, Control::Retry(limit)).await
    }

    /// Stops a job; what was not spent goes back.
    ///
    /// # Errors
    /// [`JobsError::Ended`] when it is done or has failed.
    pub async fn cancel(&self, user: UserId, key: &str, id: JobId) -> Result<JobView, JobsError> {
        self.control(user, key, id, Control::Cancel).await
    }

    async fn control(
        &self,
        user: UserId,
        key: &str,
        id: JobId,
        what: Control,
    ) -> Result<JobView, JobsError> {
        let view = self.job(user, id).await?;
        match (what, view.state) {
            // Asked twice: it is as it was wished.
            (Control::Cancel, JobState::Cancelled) => return Ok(view),
            (_, state) if state.is_final() => return Err(JobsError::Ended),
            _ => {}
        }
        let request = Sha256Hash::of(format!("{what:?} {id}").as_bytes());
        let operation = Operation::client(user, key, request);
        match self.order(id, ControlJob { actor: user, what, operation }).await {
            Ok(Some(position)) => {
                self.parts.progress.reached(position).await;
            }
            // Another wish to stop it may have been there first.
            Err(JobsError::Ended) if what == Control::Cancel => {
                let view = self.ended(user, id).await?;
                let stopped = view.state == JobState::Cancelled;
                return if stopped { Ok(view) } else { Err(JobsError::Ended) };
            }
            other => drop(other?),
        }
        self.job(user, id).await
    }

    /// A job that has ended, once the read model shows it.
    async fn ended(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        for _ in 0..ORDER_TRIES {
            self.parts.progress.reached(self.parts.log.head()).await;
            let view = self.job(user, id).await?;
            if view.state.is_final() {
                return Ok(view);
            }
            tokio::time::sleep(ORDER_PAUSE).await;
        }
        Err(JobsError::Busy)
    }

    /// Gives an order to a job's actor. What it decided on facts that the log did not take, which
    /// happens when orders come at the same moment, it decides anew.
    async fn order(&self, id: JobId, order: ControlJob) -> Result<Option<i64>, JobsError> {
        for _ in 0..ORDER_TRIES {
            match self.actor(id).await?.send(order.clone()).await? {
                Err(JobsError::Append(AppendError::Version { .. })) => {
                    tokio::time::sleep(ORDER_PAUSE).await;
                }
                answer => return answer,
            }
        }
        Err(JobsError::Busy)
    }

    /// A quote for the same program, input and description once more.
    ///
    /// # Errors
    /// As for any quote: prices, agents and the program's offer may have changed.
    /// [`JobsError::FilesDeleted`] when the input is, and was not uploaded again.
    pub async fn rerun(&self, user: UserId, id: JobId) -> Result<Quote, JobsError> {
        let view = self.job(user, id).await?;
        if let Some(input) = view.input
            && self.owned_size(user, input).await.is_err()
        {
            kept(&view)?;
        }
        let mut db = self.parts.log.pool().acquire().await?;
        let program = store::quote::program_of_job(&mut db, id).await?;
        drop(db);
        let program = program.ok_or(JobsError::Missing("program"))?;
        self.quote(user, QuoteRequest { program, input: view.input, spec: view.spec }).await
    }

    /// The quote that a job was made of; jobs from before quotes were kept have none.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when the job is somebody else's.
    pub async fn quoted(&self, who: &Principal, id: JobId) -> Result<Option<Quote>, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let owner = store::record::owner(&mut db, id).await?;
        let mine = owner.is_some_and(|owner| owner == who.user || who.has(Role::Admin));
        if !mine {
            return Err(JobsError::Missing("job"));
        }
        store::record::quote(&mut db, id).await
    }
}
