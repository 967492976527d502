//! All that is to be told of a job in one document: what was asked, what was quoted and what it
//! cost, what each chunk came to, and where in the log it stands.

use std::collections::BTreeMap;

use medusa_api::{Chunk, EventEntry, Job as JobView, Quote, Timeline};
use medusa_events::Fact;
use medusa_platform::Principal;
use medusa_types::{ChunkIndex, Fuel, JobId};

use super::Jobs;
use super::history::{Copies, entry};
use super::timeline::draw;
use crate::error::JobsError;
use crate::store;

/// Chunks that a report lists one by one.
const CHUNKS_MAX: i64 = 2_000;

/// The content of a report.
pub(crate) struct Report {
    pub(crate) job: JobView,
    pub(crate) quote: Option<Quote>,
    /// Copies that were handed out, and the agreed fuel of one copy of all chunks.
    pub(crate) work: (u64, Fuel),
    /// The first ones, with the log position of their verdict and of their payment.
    pub(crate) chunks: Vec<(Chunk, Placed)>,
    pub(crate) timeline: Timeline,
    /// What happened to the job as a whole.
    pub(crate) events: Vec<EventEntry>,
}

/// Where in the log a chunk was decided and paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) verified: Option<i64>,
    pub(crate) settled: Option<i64>,
}

impl Jobs {
    /// What a report of a job says.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub(crate) async fn report(&self, who: &Principal, id: JobId) -> Result<Report, JobsError> {
        let job = self.readable(who, id).await?;
        let (mut copies, mut events) = (Copies::default(), Vec::new());
        let mut placed: BTreeMap<ChunkIndex, Placed> = BTreeMap::new();
        let cut = self
            .each_event(id, &mut |event| {
                let (fact, position) = (&event.envelope.fact, event.envelope.position);
                copies.take(fact, event.envelope.at);
                match fact {
                    Fact::ChunkVerified { chunk, .. } => {
                        placed.entry(*chunk).or_default().verified = Some(position);
                    }
                    Fact::ChunkSettled { chunk, .. } => {
                        placed.entry(*chunk).or_default().settled = Some(position);
                    }
                    Fact::JobSubmitted { .. }
                    | Fact::ResourcesPriced { .. }
                    | Fact::EscrowHeld { .. }
                    | Fact::EscrowRaised { .. }
                    | Fact::JobPaused { .. }
                    | Fact::JobResumed { .. }
                    | Fact::ChunksRetried { .. }
                    | Fact::MergeStarted { .. }
                    | Fact::FilesDeleted { .. }
                    | Fact::JobEnded { .. }
                    | Fact::EscrowReleased { .. } => events.push(entry(event)),
                    _ => {}
                }
            })
            .await?;
        let mut db = self.parts.log.pool().acquire().await?;
        let quote = store::record::quote(&mut db, id).await?;
        let work = store::record::work(&mut db, id).await?;
        let chunks = store::chunk::list(&mut db, id, 0, CHUNKS_MAX).await?;
        drop(db);
        let place = |chunk: Chunk| {
            let placed = placed.get(&chunk.index).copied().unwrap_or_default();
            (chunk, placed)
        };
        let chunks = chunks.into_iter().map(place).collect();
        let timeline = draw(copies.in_order(), self.parts.clock.now(), cut);
        Ok(Report { job, quote, work, chunks, timeline, events })
    }
}
