//! The read model comes out the same however many events come at a time: a rebuild reads the log in
//! other portions than the server did.

use std::sync::Arc;

use medusa_eventlog::{Projection as _, StoredEvent};
use medusa_events::{AttemptShare, EndState, Envelope, FORMAT, Fact};
use medusa_testkit::TestDb;
use medusa_types::{
    AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome, Sha256Hash, Timestamp, UserId,
    Uuid,
};

use super::JobsProjection;

const JOB: JobId = JobId(Uuid::from_u128(9));
const OWNER: UserId = UserId(Uuid::from_u128(1));
/// Chunks that something happens to.
const CHUNKS: u32 = 6;
/// Chunks that nobody takes.
const LEFT: u32 = 2;

fn lease(n: u128) -> LeaseId {
    LeaseId(Uuid::from_u128(n))
}

fn agent(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(n % 2))
}

fn submitted() -> Fact {
    Fact::JobSubmitted {
        job: JOB,
        owner: OWNER,
        program: Sha256Hash([0; 32]),
        input: None,
        spec: Sha256Hash([0; 32]),
        plan: Sha256Hash([0; 32]),
        chunks: CHUNKS + LEFT,
        copies: 2,
        fuel_limit: Fuel(5),
        hold: Credits::from_micros(100),
        per_gfuel: Credits::from_micros(1),
        per_start: Credits::from_micros(1),
        fee_permille: 150,
        meter: "m".into(),
    }
}

fn leased(chunk: u32, n: u128) -> Fact {
    Fact::ChunkLeased {
        job: JOB,
        chunk: ChunkIndex(chunk),
        lease: lease(n),
        agent: agent(n),
        lender: UserId(Uuid::from_u128(n % 2 + 2)),
        epoch: 1,
        fuel_limit: Fuel(5),
        expires_at: Timestamp::from_micros(1),
    }
}

/// A chunk from its leases to its payment. The second agent is wrong about the third chunk, and the
/// fourth loses a lease on the way.
fn chunk(index: u32) -> Vec<Fact> {
    let (job, chunk, n) = (JOB, ChunkIndex(index), u128::from(index) * 10);
    let output = Sha256Hash([7; 32]);
    let reported = |n| Fact::AttemptReported {
        job,
        chunk,
        lease: lease(n),
        outcome: Outcome::Done,
        output,
        output_bytes: 1,
        fuel: Fuel(3),
    };
    let mut facts = vec![leased(index, n), leased(index, n + 1)];
    if index == 3 {
        let why = "lost".to_owned();
        facts.push(Fact::LeaseEnded { job, chunk, lease: lease(n + 1), why });
        facts.push(leased(index, n + 3));
    }
    let second = if index == 3 { n + 3 } else { n + 1 };
    facts.extend([reported(n), reported(second)]);
    let (right, wrong) = match index {
        2 => (vec![lease(n)], vec![lease(second)]),
        _ => (vec![lease(n), lease(second)], Vec::new()),
    };
    let share = |lease: &LeaseId| AttemptShare {
        lease: *lease,
        agent: agent(lease.0.as_u128()),
        lender: OWNER,
        amount: Credits::from_micros(4),
    };
    let shares = right.iter().map(share).collect();
    let (verdict, outcome, fuel) = ("agreed".to_owned(), Outcome::Done, Fuel(3));
    facts.push(Fact::ChunkVerified { job, chunk, verdict, outcome, output, fuel, right, wrong });
    let (price, fee) = (Credits::from_micros(9), Credits::from_micros(1));
    facts.push(Fact::ChunkSettled { job, chunk, fuel, price, fee, shares });
    facts
}

/// A whole job, one event after the other.
fn story() -> Vec<Arc<StoredEvent>> {
    let hold = Fact::EscrowHeld { job: JOB, owner: OWNER, amount: Credits::from_micros(100) };
    let (state, code, results) = (EndState::Done, None, Vec::new());
    let mut facts = vec![submitted(), hold];
    facts.extend((0..CHUNKS).flat_map(chunk));
    facts.push(Fact::MergeStarted { job: JOB });
    facts.push(Fact::JobEnded { job: JOB, owner: OWNER, state, code, results });
    facts.push(Fact::EscrowReleased { job: JOB, owner: OWNER });
    let event = |(position, fact)| {
        let envelope = Envelope {
            format: FORMAT,
            position,
            stream: format!("job-{JOB}"),
            version: position,
            at: Timestamp::from_micros(position),
            actor: None,
            operation: None,
            causation: None,
            postings: Vec::new(),
            changes: Vec::new(),
            fact,
        };
        let body = envelope.encode().into();
        Arc::new(StoredEvent { envelope, body, leaf: Sha256Hash([0; 32]) })
    };
    (1..).zip(facts).map(event).collect()
}

/// Every byte of the read model, read so many events at a time.
async fn read_model(db: &TestDb, portion: usize) -> Vec<String> {
    let mut tx = db.pool.begin().await.unwrap();
    for events in story().chunks(portion) {
        JobsProjection.apply(&mut tx, events).await.unwrap();
    }
    let mut rows = Vec::new();
    for query in [
        "select t::text from job t order by job_id",
        "select t::text from chunk t order by job_id, index",
        "select t::text from lease t order by lease_id",
        "select t::text from agent_record t order by agent_id",
        "select t::text from agent_earning t order by agent_id, quarter",
        "select t::text from agent_mark t order by agent_id, position",
        "select t::text from agent_standing t order by agent_id",
    ] {
        let found: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *tx).await.unwrap();
        assert!(!found.is_empty(), "{query}");
        rows.extend(found);
    }
    tx.rollback().await.unwrap();
    rows
}

#[tokio::test]
async fn the_read_model_does_not_depend_on_how_many_events_come_at_a_time() {
    let db = TestDb::new().await.unwrap();
    let one_by_one = read_model(&db, 1).await;
    // Streak, score, stake: three right ones after one that was outvoted, and a lease lost between.
    let standings: Vec<&String> = one_by_one.iter().rev().take(2).collect();
    assert!(standings[0].contains(",3,4,20,0,,"), "{standings:?}");
    assert!(standings[1].contains(",6,6,24,0,,"), "{standings:?}");
    let marks = |word: &str| one_by_one.iter().filter(|row| row.contains(word)).count();
    assert_eq!((marks(",outvoted,"), marks(",lost,")), (1, 1));
    for portion in [2, 3, 5, 7, 11, 20, 100] {
        assert_eq!(read_model(&db, portion).await, one_by_one, "{portion} at a time");
    }
}

#[tokio::test]
async fn a_chunk_has_a_row_from_its_first_event_on_and_is_counted_before() {
    let db = TestDb::new().await.unwrap();
    let mut tx = db.pool.begin().await.unwrap();
    let (mut seen, mut rows) = (Vec::new(), Vec::new());
    for events in story().chunks(1) {
        JobsProjection.apply(&mut tx, events).await.unwrap();
        let counted = "select chunks, waiting, leased, verified + unverified + failed from job";
        let found: (i32, i32, i32, i32) =
            sqlx::query_as(counted).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(found.0, found.1 + found.2 + found.3, "{found:?}");
        seen.push(found);
        let count = "select count(*) from chunk";
        rows.push(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *tx).await.unwrap());
    }
    let (chunks, left) = (i32::try_from(CHUNKS + LEFT).unwrap(), i32::try_from(LEFT).unwrap());
    assert_eq!((seen[0], rows[0]), ((chunks, chunks, 0, 0), 0));
    assert_eq!(seen[2], (chunks, chunks - 1, 1, 0), "the first lease");
    assert_eq!(*seen.last().unwrap(), (chunks, left, 0, chunks - left));
    assert_eq!(*rows.last().unwrap(), i64::from(CHUNKS));
}
