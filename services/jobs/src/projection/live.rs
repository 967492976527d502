//! Jobs as pages show them while they run: folded from the log into memory, written to Redis with
//! every change, and told to who listens. Jobs that ended leave memory.
//!
//! Everything here can be folded again; the read model in Postgres is what is asked when Redis has
//! nothing, or something older.

use std::collections::BTreeMap;

use medusa_api::{ChunkState, Cost, Counts, JobLive, JobState, LiveEvent, PauseWhy};
use medusa_eventlog::{EventLog, LiveError, show};
use medusa_events::{EndState, Envelope, Fact};
use medusa_ledger::Posting;
use medusa_platform::live::{Post, Shown};
use medusa_types::{Credits, JobId, Outcome, Timestamp, UserId};
use sqlx::PgConnection;

use super::map::{self, Map, Tally};
use crate::command::Jobs;
use crate::error::JobsError;
use crate::store::job::chunk_state;

/// The first part of the topic `job:job_…`.
pub const KIND: &str = "job";

/// Keeps the jobs in Redis current, for ever, and tells who listens to `job:job_…`.
///
/// # Errors
/// [`LiveError`]; that Redis is away is not one.
pub async fn run(log: EventLog, url: String) -> Result<(), LiveError> {
    show(log, url, KIND, Board::default(), |board, envelope, earlier| {
        let job = board.fold(envelope);
        // Jobs that ended before the start are told to nobody.
        if let Some(job) = job.filter(|_| earlier) {
            board.drop_ended(job);
        }
        job
    })
    .await
}

/// A job in memory.
struct Running {
    /// Everything but the cells.
    job: JobLive,
    map: Map,
    /// Whether its rest went back, which is the last that happens to a job.
    released: bool,
}

/// Jobs that have not ended, and those whose end is still to be told.
#[derive(Default)]
struct Board {
    jobs: BTreeMap<JobId, Running>,
}

impl Board {
    /// Takes an event; answers which job it changed.
    fn fold(&mut self, envelope: &Envelope) -> Option<JobId> {
        let (position, at) = (envelope.position, envelope.at);
        if let Fact::JobSubmitted { job, chunks, .. } = &envelope.fact {
            self.jobs.insert(*job, Running::new(*job, *chunks));
        }
        let id = job_of(&envelope.fact)?;
        let running = self.jobs.get_mut(&id)?;
        running.apply(&envelope.fact, &envelope.postings);
        (running.job.position, running.job.at) = (position, at);
        Some(id)
    }

    fn drop_ended(&mut self, id: JobId) {
        if self.jobs.get(&id).is_some_and(|running| running.released) {
            self.jobs.remove(&id);
        }
    }
}

/// The job that a fact is about.
const fn job_of(fact: &Fact) -> Option<JobId> {
    match fact {
        Fact::JobSubmitted { job, .. }
        | Fact::EscrowHeld { job, .. }
        | Fact::EscrowRaised { job, .. }
        | Fact::JobPaused { job, .. }
        | Fact::JobResumed { job }
        | Fact::ChunksRetried { job, .. }
        | Fact::ChunkSettled { job, .. }
        | Fact::EscrowReleased { job, .. }
        | Fact::ChunkLeased { job, .. }
        | Fact::LeaseEnded { job, .. }
        | Fact::AttemptReported { job, .. }
        | Fact::ChunkVerified { job, .. }
        | Fact::JobEnded { job, .. }
        | Fact::MergeStarted { job } => Some(*job),
        _ => None,
    }
}

impl Running {
    fn new(job: JobId, chunks: u32) -> Self {
        Self {
            job: JobLive {
                job,
                position: 0,
                at: Timestamp::default(),
                state: JobState::Running,
                paused: None,
                counts: Counts { total: chunks, waiting: chunks, ..Counts::default() },
                cost: Cost::default(),
                cells: String::new(),
                note: None,
            },
            map: Map::new(chunks),
            released: false,
        }
    }

    fn apply(&mut self, fact: &Fact, postings: &[Posting]) {
        let cost = &mut self.job.cost;
        match fact {
            Fact::EscrowHeld { amount, .. } | Fact::EscrowRaised { amount, .. } => {
                cost.held = cost.held.saturating_add(*amount);
            }
            Fact::JobPaused { why, .. } => {
                let why = PauseWhy::of_word(why);
                self.job.state = JobState::Paused;
                self.job.paused = Some(why);
                self.job.note = Some(why.in_words().to_owned());
            }
            Fact::JobResumed { .. } => {
                self.job.state = JobState::Running;
                self.job.paused = None;
                self.job.note = None;
            }
            Fact::ChunksRetried { .. } => self.map.retry(&mut self.job.counts),
            Fact::ChunkSettled { price, fee, .. } => {
                cost.spent = cost.spent.saturating_add(*price);
                cost.fee = cost.fee.saturating_add(*fee);
            }
            Fact::EscrowReleased { .. } => {
                let back =
                    postings.iter().map(|Posting(_, amount)| amount.credits().max(Credits::ZERO));
                cost.released = back.fold(cost.released, Credits::saturating_add);
                self.released = true;
            }
            Fact::MergeStarted { .. } => self.job.state = JobState::Merging,
            Fact::JobEnded { state, code, .. } => {
                self.job.state = match state {
                    EndState::Done => JobState::Done,
                    EndState::Failed => JobState::Failed,
                    EndState::Cancelled => JobState::Cancelled,
                };
                self.job.paused = None;
                self.job.note.clone_from(code);
            }
            Fact::ChunkLeased { chunk, .. } => {
                self.map.begin(chunk.0, &mut self.job.counts);
            }
            Fact::LeaseEnded { chunk, .. } | Fact::AttemptReported { chunk, .. } => {
                self.map.end(chunk.0, &mut self.job.counts);
            }
            Fact::ChunkVerified { chunk, outcome, verdict, .. } => {
                let state = match (outcome, verdict.as_str()) {
                    (Outcome::Done, "unverified") => ChunkState::Unverified,
                    (Outcome::Done, _) => ChunkState::Verified,
                    _ => ChunkState::Failed,
                };
                self.map.set(chunk.0, state, &mut self.job.counts);
            }
            _ => {}
        }
    }
}

impl Shown<JobId> for Board {
    fn post(&mut self, id: &JobId) -> Option<Post> {
        let running = self.jobs.get_mut(id)?;
        let with = |cells| JobLive { cells, ..running.job.clone() };
        let whole = LiveEvent::Snapshot(with(running.map.digits()));
        let job = running.job.clone();
        let change = LiveEvent::Delta(JobLive { cells: running.map.changes(), ..job });
        let (position, last) = (running.job.position, running.released);
        Some(Post { position, whole, change: Some(change), last })
    }

    fn ended(&mut self, id: &JobId) {
        self.jobs.remove(id);
    }

    fn all(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }
}

impl Jobs {
    /// A person's job for a live page, from the read model.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's.
    pub async fn live(&self, user: UserId, id: JobId) -> Result<JobLive, JobsError> {
        let job = self.job(user, id).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        let cells = cells(&mut db, id, job.counts.total).await?;
        let at = sqlx::query_scalar!("select at from event where position = $1", job.position)
            .fetch_optional(&mut *db)
            .await?;
        Ok(JobLive {
            job: id,
            position: job.position,
            at: at.map_or(job.created_at, Timestamp::from_utc),
            state: job.state,
            paused: job.paused,
            counts: job.counts,
            cost: job.cost,
            cells: map::digits(&cells),
            note: job.reason.or(job.waiting),
        })
    }
}

/// The cells of a job's map. A chunk that nobody has taken yet has no row.
async fn cells(db: &mut PgConnection, id: JobId, chunks: u32) -> sqlx::Result<Vec<Tally>> {
    let each = i32::try_from(map::per_cell(chunks)).unwrap_or(i32::MAX);
    let rows = sqlx::query!(
        r#"select index / $2 as "cell!", state, count(*) as "chunks!" from chunk
           where job_id = $1 group by 1, 2"#,
        id.0,
        each
    )
    .fetch_all(db)
    .await?;
    let mut cells = map::untouched(chunks);
    for row in rows {
        let cell = usize::try_from(row.cell).ok().and_then(|at| cells.get_mut(at));
        if let Some(cell) = cell {
            let chunks = u32::try_from(row.chunks).unwrap_or(u32::MAX);
            cell.shift(ChunkState::Waiting, chunk_state(&row.state), chunks);
        }
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use medusa_events::AttemptShare;
    use medusa_ledger::{Account, Bucket};
    use medusa_types::{AgentId, ChunkIndex, Fuel, LeaseId, Sha256Hash, Uuid};

    use super::*;

    const JOB: JobId = JobId(Uuid::from_u128(9));
    const OWNER: UserId = UserId(Uuid::from_u128(1));
    const NOTHING: Sha256Hash = Sha256Hash([0; 32]);

    fn micros(n: i64) -> Credits {
        Credits::from_micros(n)
    }

    fn submitted() -> Fact {
        Fact::JobSubmitted {
            job: JOB,
            owner: OWNER,
            program: NOTHING,
            input: None,
            spec: NOTHING,
            plan: NOTHING,
            chunks: 4,
            copies: 2,
            fuel_limit: Fuel(1),
            hold: micros(100),
            per_gfuel: micros(1),
            per_start: micros(1),
            fee_permille: 150,
            meter: "m".into(),
        }
    }

    fn leased(chunk: u32) -> Fact {
        Fact::ChunkLeased {
            job: JOB,
            chunk: ChunkIndex(chunk),
            lease: LeaseId(JOB.0),
            agent: AgentId(JOB.0),
            lender: OWNER,
            epoch: 1,
            fuel_limit: Fuel(1),
            expires_at: Timestamp::default(),
        }
    }

    fn reported(chunk: u32) -> Fact {
        Fact::AttemptReported {
            job: JOB,
            chunk: ChunkIndex(chunk),
            lease: LeaseId(JOB.0),
            outcome: Outcome::Done,
            output: NOTHING,
            output_bytes: 0,
            fuel: Fuel(1),
        }
    }

    fn lost(chunk: u32) -> Fact {
        let (lease, why) = (LeaseId(JOB.0), "lost".into());
        Fact::LeaseEnded { job: JOB, chunk: ChunkIndex(chunk), lease, why }
    }

    fn verified(chunk: u32, verdict: &str, outcome: Outcome) -> Fact {
        Fact::ChunkVerified {
            job: JOB,
            chunk: ChunkIndex(chunk),
            verdict: verdict.into(),
            outcome,
            output: NOTHING,
            fuel: Fuel(1),
            right: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn settled(price: i64, fee: i64) -> Fact {
        Fact::ChunkSettled {
            job: JOB,
            chunk: ChunkIndex(0),
            fuel: Fuel(1),
            price: micros(price),
            fee: micros(fee),
            shares: Vec::<AttemptShare>::new(),
        }
    }

    fn ended(state: EndState, code: Option<&str>) -> Fact {
        let (code, results) = (code.map(str::to_owned), Vec::new());
        Fact::JobEnded { job: JOB, owner: OWNER, state, code, results }
    }

    /// A board, and the events so far.
    #[derive(Default)]
    struct Story(Board, i64);

    impl Story {
        fn tell(&mut self, fact: Fact, postings: Vec<Posting>) {
            self.1 += 1;
            let envelope = Envelope {
                format: medusa_events::FORMAT,
                position: self.1,
                stream: format!("job-{JOB}"),
                version: self.1,
                at: Timestamp::from_micros(self.1),
                actor: None,
                operation: None,
                causation: None,
                postings,
                changes: Vec::new(),
                fact,
            };
            self.0.fold(&envelope);
        }

        /// The whole and the change since the last call.
        fn post(&mut self) -> (JobLive, JobLive, bool) {
            match self.0.post(&JOB) {
                Some(Post {
                    whole: LiveEvent::Snapshot(whole),
                    change: Some(LiveEvent::Delta(change)),
                    last,
                    ..
                }) => {
                    let Counts { total, waiting, leased, verified, unverified, failed } =
                        whole.counts;
                    assert_eq!(total, waiting + leased + verified + unverified + failed);
                    (whole, change, last)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn cells_follow_leases_reports_and_verdicts() {
        let mut story = Story::default();
        let steps: Vec<(Vec<Fact>, &str, &str)> = vec![
            (vec![submitted()], "0000", ""),
            (vec![leased(0), leased(1), leased(0)], "1100", "0:1,1:1"),
            (vec![reported(0)], "1100", ""),
            (vec![lost(1)], "1000", "1:0"),
            (vec![reported(0), verified(0, "agreed", Outcome::Done)], "2000", "0:2"),
            (vec![leased(1), lost(1)], "2000", "1:0"),
            (vec![verified(1, "unverified", Outcome::Done), leased(3)], "2301", "1:3,3:1"),
            // A copy that was still running changes nothing about a chunk that is decided.
            (vec![leased(0), lost(0)], "2301", ""),
            (vec![verified(3, "agreed", Outcome::FuelOut), lost(3)], "2304", "3:4"),
        ];
        for (facts, map, changes) in steps {
            for fact in facts.clone() {
                story.tell(fact, Vec::new());
            }
            let (whole, change, last) = story.post();
            let found = (whole.cells.as_str(), change.cells.as_str(), last);
            assert_eq!(found, (map, changes, false), "after {facts:?}");
            assert_eq!((whole.position, whole.at.micros()), (story.1, story.1));
        }
    }

    #[test]
    fn money_and_state_follow_to_the_end() {
        let mut story = Story::default();
        story.tell(submitted(), Vec::new());
        story.tell(Fact::EscrowHeld { job: JOB, owner: OWNER, amount: micros(100) }, Vec::new());
        story.tell(settled(20, 3), Vec::new());
        story.tell(settled(20, 3), Vec::new());
        story.tell(Fact::MergeStarted { job: JOB }, Vec::new());
        let (whole, ..) = story.post();
        let cost =
            Cost { held: micros(100), spent: micros(40), fee: micros(6), released: micros(0) };
        assert_eq!((whole.state, whole.cost), (JobState::Merging, cost));
        story.tell(ended(EndState::Failed, Some("jobs.merge_failed")), Vec::new());
        assert!(!story.post().2, "its rest has not gone back yet");
        let (wallet, escrow) =
            (Account::wallet(Bucket::Paid, OWNER), Account::escrow(Bucket::Paid, JOB));
        let back = vec![Posting(escrow, micros(-60).into()), Posting(wallet, micros(60).into())];
        story.tell(Fact::EscrowReleased { job: JOB, owner: OWNER }, back);
        let (whole, _, last) = story.post();
        assert!(last);
        assert_eq!((whole.state, whole.cost.released), (JobState::Failed, micros(60)));
        assert_eq!(whole.note.as_deref(), Some("jobs.merge_failed"));
        story.0.ended(&JOB);
        assert!(story.0.all().is_empty());
    }
}
