//! What one machine earned, as its own page and its owner see it.

use medusa_api::{Earnings, EarningsDay, EarningsQuery, EarningsSince, Lent, TaskPage, TaskQuery};
use medusa_platform::ApiError;
use medusa_types::{AgentId, Credits, LeaseId, Timestamp, UserId};

use super::Jobs;
use crate::error::JobsError;
use crate::store;
use crate::store::earnings::{QUARTER_MICROS, Quarter, quarter_of};

const DAYS: u32 = 30;
const DAYS_MAX: u32 = 366;
const TASKS: i64 = 50;
const TASKS_MAX: i64 = 200;
/// Tasks on the page of a machine.
const TASKS_SHOWN: i64 = 20;
/// Quarters of an hour of a day.
const DAY_QUARTERS: i32 = 96;
/// No clock is further from UTC.
const OFFSET_MAX: i32 = 14 * 60;

impl Jobs {
    /// What a machine earned on the last days, and what its owner has of earnings.
    ///
    /// # Errors
    /// When the read model or the wallet cannot be read.
    pub(crate) async fn earnings(
        &self,
        (owner, agent): (UserId, AgentId),
        query: &EarningsQuery,
    ) -> Result<Earnings, JobsError> {
        let days = query.days.unwrap_or(DAYS).clamp(1, DAYS_MAX);
        let offset = query.offset_min.unwrap_or_default().clamp(-OFFSET_MAX, OFFSET_MAX);
        let first = first_quarter(self.parts.clock.now(), offset.div_euclid(15), days);
        let since = query.since.map(|at| quarter_of(Timestamp::from_micros(at)));
        let mut db = self.parts.log.pool().acquire().await?;
        let from = since.map_or(first, |since| since.min(first));
        let quarters = store::earnings::quarters(&mut db, agent, from).await?;
        drop(db);
        let wallet = self.parts.escrows.wallet(owner).await?;
        Ok(Earnings {
            days: by_day(&quarters, first, days),
            since: since.map(|since| counted(&quarters, since)),
            pending: wallet.earned_pending,
            available: wallet.earned,
        })
    }

    /// What all machines of a person earned so far, removed ones too.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub async fn lent(&self, owner: UserId) -> Result<Lent, JobsError> {
        let (machines, removed) = self.parts.agents.ever_of(owner).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        let (chunks, earned) = store::earnings::paid(&mut db, &machines).await?;
        Ok(Lent { chunks, earned, removed })
    }

    /// What one of a person's machines earned on the last 30 days, which begin at midnight in UTC,
    /// and its latest tasks.
    ///
    /// # Errors
    /// [`JobsError::Missing`] when it is not one of them.
    pub async fn earned_by(
        &self,
        owner: UserId,
        agent: AgentId,
    ) -> Result<(Earnings, TaskPage), JobsError> {
        let own = self.parts.agents.of_owner(owner).await?;
        if !own.iter().any(|machine| machine.agent == agent) {
            return Err(JobsError::Missing("machine"));
        }
        let earnings = self.earnings((owner, agent), &EarningsQuery::default()).await?;
        let latest = TaskQuery { before: None, limit: Some(TASKS_SHOWN) };
        Ok((earnings, self.tasks(agent, &latest).await?))
    }

    /// Tasks of a machine that have ended, newest first.
    ///
    /// # Errors
    /// When the cursor is not one, or the read model cannot be read.
    pub(crate) async fn tasks(
        &self,
        agent: AgentId,
        query: &TaskQuery,
    ) -> Result<TaskPage, JobsError> {
        let before = query.before.as_deref().map(str::parse::<LeaseId>).transpose();
        let before = before.map_err(|_| bad_cursor())?;
        let limit = query.limit.unwrap_or(TASKS).clamp(1, TASKS_MAX);
        let mut db = self.parts.log.pool().acquire().await?;
        let tasks = store::earnings::tasks(&mut db, agent, before, limit).await?;
        Ok(TaskPage { items: tasks.items, next: tasks.next.map(|next| next.to_string()) })
    }
}

fn bad_cursor() -> ApiError {
    let detail = "the cursor is not one that this server gave";
    ApiError::new(400, "platform.cursor_refused", "bad cursor", detail)
}

/// The first quarter of the first of so many days, of which the last is today where clocks are so
/// many quarters ahead.
fn first_quarter(now: Timestamp, ahead: i32, days: u32) -> i32 {
    let there = quarter_of(now).saturating_add(ahead);
    let today = there.saturating_sub(there.rem_euclid(DAY_QUARTERS));
    let back = i32::try_from(days.saturating_sub(1)).unwrap_or_default();
    today.saturating_sub(back.saturating_mul(DAY_QUARTERS)).saturating_sub(ahead)
}

fn begin_of(quarter: i32) -> Timestamp {
    Timestamp::from_micros(i64::from(quarter).saturating_mul(QUARTER_MICROS))
}

fn by_day(quarters: &[Quarter], first: i32, days: u32) -> Vec<EarningsDay> {
    let day = |number: u32| {
        let number = i32::try_from(number).unwrap_or_default();
        let from = first.saturating_add(number.saturating_mul(DAY_QUARTERS));
        let to = from.saturating_add(DAY_QUARTERS);
        let (chunks, earned) = sum(quarters.iter().filter(|q| (from..to).contains(&q.quarter)));
        EarningsDay { from: begin_of(from), chunks, earned }
    };
    (0..days).map(day).collect()
}

fn counted(quarters: &[Quarter], since: i32) -> EarningsSince {
    let (chunks, earned) = sum(quarters.iter().filter(|q| q.quarter >= since));
    EarningsSince { from: begin_of(since), chunks, earned }
}

fn sum<'a>(quarters: impl Iterator<Item = &'a Quarter>) -> (u64, Credits) {
    quarters.fold((0, Credits::ZERO), |(chunks, earned), quarter| {
        (chunks.saturating_add(quarter.chunks), earned.saturating_add(quarter.earned))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn quarter(quarter: i32, micros: i64) -> Quarter {
        Quarter { quarter, chunks: 1, earned: Credits::from_micros(micros) }
    }

    #[test]
    fn a_day_begins_at_the_midnight_of_the_zone_that_is_asked_for() {
        // The second day of 1970, two in the morning in UTC.
        let now = Timestamp::from_micros(26 * HOUR);
        let hours = |ahead_min: i32, days| {
            let first = first_quarter(now, i32::div_euclid(ahead_min, 15), days);
            begin_of(first).micros().div_euclid(HOUR)
        };
        assert_eq!((hours(0, 1), hours(0, 2)), (24, 0));
        assert_eq!(hours(60, 1), 23, "midnight is an hour earlier in the east");
        assert_eq!(hours(-5 * 60, 1), 5, "it is yesterday still in the west");
        let nepal = begin_of(first_quarter(now, 345_i32.div_euclid(15), 1)).micros();
        assert_eq!(nepal, 24 * HOUR - 345 * 60_000_000);
    }

    #[test]
    fn each_day_has_its_sum_also_an_empty_one() {
        let quarters = [quarter(95, 1), quarter(96, 2), quarter(191, 4), quarter(300, 8)];
        let days = by_day(&quarters, 0, 4);
        let earned: Vec<i64> = days.iter().map(|day| day.earned.micros()).collect();
        assert_eq!(earned, [1, 6, 0, 8]);
        assert_eq!(days[1].from, Timestamp::from_micros(24 * HOUR));
        let since = counted(&quarters, 191);
        assert_eq!((since.chunks, since.earned), (2, Credits::from_micros(12)));
    }
}
