//! What happened to a job, as the log has it: its events, and who computed when.

use std::collections::BTreeMap;
use std::sync::Arc;

use medusa_api::{AttemptEnd, EventEntry, EventPage, Timeline};
use medusa_eventlog::{StoredEvent, read_stream};
use medusa_events::Fact;
use medusa_platform::Principal;
use medusa_types::{AgentId, ChunkIndex, JobId, LeaseId, Outcome, Timestamp};

use super::Jobs;
use super::timeline::draw;
use crate::error::JobsError;

/// Events of one page.
const PAGE_MAX: i64 = 1_000;
/// Events of one read.
const READ: i64 = 2_000;
/// Events that are read for a timeline or a report; a larger job shows its beginning.
const EVENTS_MAX: i64 = 60_000;

/// One copy of a chunk, from its lease to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) agent: AgentId,
    pub(super) chunk: ChunkIndex,
    pub(super) from: Timestamp,
    pub(super) to: Option<Timestamp>,
    pub(super) end: AttemptEnd,
}

/// A job's copies, folded from its events.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<LeaseId, Copy>);

impl Copies {
    pub(super) fn take(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::ChunkLeased { chunk, lease, agent, .. } => {
                let (agent, chunk, end) = (*agent, *chunk, AttemptEnd::Computing);
                self.0.insert(*lease, Copy { agent, chunk, from: at, to: None, end });
            }
            Fact::LeaseEnded { lease, why, .. } => {
                let lost = matches!(why.as_str(), "lost" | "expired");
                let end = if lost { AttemptEnd::Lost } else { AttemptEnd::NotNeeded };
                self.end(*lease, Some(at), end);
            }
            Fact::AttemptReported { lease, outcome, .. } => {
                let end = match outcome {
                    Outcome::Done => AttemptEnd::Reported,
                    outcome if outcome.is_verdict() => AttemptEnd::Failed,
                    _ => AttemptEnd::Lost,
                };
                self.end(*lease, Some(at), end);
            }
            Fact::ChunkVerified { outcome, right, wrong, .. } => {
                let done = *outcome == Outcome::Done;
                let end = if done { AttemptEnd::Accepted } else { AttemptEnd::Failed };
                right.iter().for_each(|lease| self.end(*lease, None, end));
                wrong.iter().for_each(|lease| self.end(*lease, None, AttemptEnd::Wrong));
            }
            _ => {}
        }
    }

    fn end(&mut self, lease: LeaseId, at: Option<Timestamp>, end: AttemptEnd) {
        if let Some(copy) = self.0.get_mut(&lease) {
            copy.to = copy.to.or(at);
            copy.end = end;
        }
    }

    /// All copies in the order of their beginning.
    pub(super) fn in_order(self) -> Vec<Copy> {
        let mut copies: Vec<Copy> = self.0.into_values().collect();
        copies.sort_by_key(|copy| (copy.from, copy.chunk));
        copies
    }
}

impl Jobs {
    /// Events of a job with their stored bytes, in order, after a version of its stream.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn events(
        &self,
        who: &Principal,
        id: JobId,
        (after, limit): (i64, i64),
    ) -> Result<EventPage, JobsError> {
        self.readable(who, id).await?;
        let limit = limit.clamp(1, PAGE_MAX);
        let pool = self.parts.log.pool();
        let page = read_stream(pool, &format!("job-{id}"), after.max(0), limit).await?;
        let full = i64::try_from(page.len()).unwrap_or_default() == limit;
        let next = page.last().filter(|_| full).map(|event| event.envelope.version);
        let items = page.iter().map(|event| entry(event)).collect();
        Ok(EventPage { items, next })
    }

    /// Which agent worked on a job when.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn timeline(&self, who: &Principal, id: JobId) -> Result<Timeline, JobsError> {
        self.readable(who, id).await?;
        let mut copies = Copies::default();
        let cut = self
            .each_event(id, &mut |event| copies.take(&event.envelope.fact, event.envelope.at))
            .await?;
        Ok(draw(copies.in_order(), self.parts.clock.now(), cut))
    }

    /// Shows the events of a job one after the other; says whether there are more than are shown.
    pub(super) async fn each_event(
        &self,
        id: JobId,
        show: &mut (dyn FnMut(&StoredEvent) + Send),
    ) -> Result<bool, JobsError> {
        let stream = format!("job-{id}");
        let mut version = 0;
        while version < EVENTS_MAX {
            let page: Vec<Arc<StoredEvent>> =
                read_stream(self.parts.log.pool(), &stream, version, READ).await?;
            page.iter().for_each(|event| show(event));
            version = page.last().map_or(version, |event| event.envelope.version);
            if i64::try_from(page.len()).unwrap_or_default() < READ {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub(super) fn entry(event: &StoredEvent) -> EventEntry {
    let envelope = &event.envelope;
    EventEntry {
        position: envelope.position,
        at: envelope.at,
        event: envelope.fact.kind().to_owned(),
        stream: envelope.stream.clone(),
        version: envelope.version,
        leaf: event.leaf,
        // Stored bodies are JSON, which is text.
        body: String::from_utf8_lossy(&event.body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::{Credits, Fuel, Sha256Hash, UserId, Uuid};

    use super::*;

    fn lease(n: u128) -> LeaseId {
        LeaseId(Uuid::from_u128(n))
    }

    fn leased(n: u128) -> Fact {
        Fact::ChunkLeased {
            job: JobId(Uuid::nil()),
            chunk: ChunkIndex(0),
            lease: lease(n),
            agent: AgentId(Uuid::from_u128(n)),
            lender: UserId(Uuid::from_u128(n)),
            epoch: 1,
            fuel_limit: Fuel(1),
            expires_at: Timestamp::from_micros(0),
        }
    }

    fn reported(n: u128, outcome: Outcome) -> Fact {
        Fact::AttemptReported {
            job: JobId(Uuid::nil()),
            chunk: ChunkIndex(0),
            lease: lease(n),
            outcome,
            output: Sha256Hash::of(b""),
            output_bytes: 0,
            fuel: Fuel(1),
        }
    }

    fn ended(n: u128, why: &str) -> Fact {
        let (job, chunk) = (JobId(Uuid::nil()), ChunkIndex(0));
        Fact::LeaseEnded { job, chunk, lease: lease(n), why: why.to_owned() }
    }

    #[test]
    fn each_copy_ends_as_the_log_says() {
        let mut copies = Copies::default();
        let facts = [
            leased(1),
            leased(2),
            leased(3),
            leased(4),
            leased(5),
            leased(6),
            reported(1, Outcome::Done),
            reported(2, Outcome::Done),
            reported(3, Outcome::AgentFault),
            ended(4, "expired"),
            ended(5, "not_needed"),
            Fact::ChunkVerified {
                job: JobId(Uuid::nil()),
                chunk: ChunkIndex(0),
                verdict: "agreed".into(),
                outcome: Outcome::Done,
                output: Sha256Hash::of(b""),
                fuel: Fuel(1),
                right: vec![lease(1)],
                wrong: vec![lease(2)],
            },
            Fact::EscrowHeld {
                job: JobId(Uuid::nil()),
                owner: UserId(Uuid::nil()),
                amount: Credits::ZERO,
            },
        ];
        for (at, fact) in (0_i64..).zip(&facts) {
            copies.take(fact, Timestamp::from_micros(at));
        }
        let found: Vec<_> = copies
            .in_order()
            .into_iter()
            .map(|copy| (copy.end, copy.to.map(Timestamp::micros)))
            .collect();
        use AttemptEnd::{Accepted, Computing, Lost, NotNeeded, Wrong};
        let expected = [
            (Accepted, Some(6)),
            (Wrong, Some(7)),
            (Lost, Some(8)),
            (Lost, Some(9)),
            (NotNeeded, Some(10)),
            (Computing, None),
        ];
        assert_eq!(found, expected);
    }
}
