//! A job of a million chunks: it is quoted and submitted quickly, costs the server little memory,
//! and everything that lists its chunks does so in pages.

use std::io::Read as _;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use medusa_api::{
    ChunkState, Job, JobLive, JobState, JobSubmit, LiveEvent, QuoteRequest, Size, Split,
};
use medusa_client::{ClientError, Topic, no_progress, operation_id};
use medusa_types::{ChunkIndex, Credits, JobId};

use crate::harness::{
    Folder, House, Person, add_program, chunks, echo, ended, plan, range, request, run, submit,
    until, within,
};

const MILLION: u32 = 1_000_000;
/// From the request to the answer, also without optimisation.
const SUBMIT_LIMIT: Duration = Duration::from_secs(10);
/// The same for a quote, which looks at every chunk and runs one.
const QUOTE_LIMIT: Duration = Duration::from_secs(30);
/// The most memory for a chunk that waits, in bytes.
const WAITING_BYTES_MAX: u64 = 500;

/// A quote and a job of it; how long each took.
async fn timed(person: &Person, request: &QuoteRequest) -> (Job, Duration, Duration) {
    let began = Instant::now();
    let quote = person.client.quote(request).await.unwrap();
    let quoted = began.elapsed();
    assert_eq!(quote.split.chunks, MILLION);
    let began = Instant::now();
    let submit = JobSubmit::of(quote.id);
    let job = person.client.submit_job(&submit, operation_id()).await.unwrap();
    (job, quoted, began.elapsed())
}

/// Memory that the server has taken since then, for each chunk that waits, in bytes.
fn grown(house: &mut House, before_kib: u64) -> u64 {
    let grown = house.server().resident_kib().saturating_sub(before_kib);
    (grown * 1024).checked_div(MILLION.into()).unwrap()
}

/// What somebody who comes now sees of a job.
async fn snapshot(person: &Person, job: JobId) -> JobLive {
    let mut events = Box::pin(person.client.stream(&[Topic::Job(job)]));
    match events.next().await.unwrap().unwrap() {
        LiveEvent::Snapshot(live) => live,
        other => panic!("the first event was no snapshot: {other:?}"),
    }
}

async fn cancelled(person: &Person, job: &Job) {
    let job = person.client.cancel_job(job.id, operation_id()).await.unwrap();
    assert_eq!((job.state, job.cost.spent), (JobState::Cancelled, Credits::ZERO));
    within(SUBMIT_LIMIT, "the hold given back", async || {
        let job = person.client.job(job.id).await.unwrap();
        (job.cost.released == job.cost.held).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_million_numbers_are_a_job_in_seconds() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(MILLION.into(), 1)).await;
    let before = house.server().resident_kib();
    let (job, quoted, submitted) = timed(&consumer, &request).await;
    assert!(quoted < QUOTE_LIMIT, "the quote took {quoted:?}");
    assert!(submitted < SUBMIT_LIMIT, "the submission took {submitted:?}");
    assert_eq!((job.counts.total, job.counts.waiting), (MILLION, MILLION));

    let first = consumer.client.chunks(job.id, None, (200, None)).await.unwrap();
    assert_eq!((first.items.len(), first.next.as_deref()), (200, Some("200")));
    for chunk in &first.items {
        assert_eq!((chunk.state, chunk.attempts), (ChunkState::Waiting, 0));
        assert!(chunk.waiting.as_deref().is_some_and(|why| why.contains("no agent has taken it")));
    }
    let last = consumer.client.chunks(job.id, None, (200, Some("999990"))).await.unwrap();
    assert_eq!((last.items.len(), last.next.as_deref()), (10, None));
    let waiting = Some(ChunkState::Waiting);
    let late = consumer.client.chunks(job.id, waiting, (200, Some("999990"))).await.unwrap();
    assert_eq!(late.items, last.items);
    let failed = consumer.client.chunks(job.id, Some(ChunkState::Failed), (200, None)).await;
    assert!(failed.unwrap().items.is_empty());
    let run = consumer.client.chunk_run(job.id, ChunkIndex(MILLION - 1)).await.unwrap();
    assert_eq!(consumer.client.chunk_input(&run, 0).await.unwrap(), b"999999 1\n");
    assert!(consumer.client.chunk_run(job.id, ChunkIndex(MILLION)).await.is_err());
    // A page gets a map that it can draw.
    let live = snapshot(&consumer, job.id).await;
    assert_eq!((live.cells.as_str(), live.counts), ("0".repeat(10_000).as_str(), job.counts));

    let grown = grown(&mut house, before);
    assert!(grown < WAITING_BYTES_MAX, "{grown} bytes for a chunk that waits");
    cancelled(&consumer, &job).await;
    let page = consumer.client.chunks(job.id, None, (5, Some("500000"))).await.unwrap();
    assert!(page.items.iter().all(|chunk| chunk.waiting.is_none()));
}

#[tokio::test]
async fn a_million_lines_are_a_job_in_seconds() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let program = add_program(&consumer, echo()).await.unwrap();
    let text: String = (0..MILLION).map(|n| format!("line {n}\n")).collect();
    let input = Some(consumer.client.upload_bytes(text.into()).await.unwrap().sha256);
    let mut spec = range(1, 1);
    spec.split = Split::Lines { lines: Size::Count(1) };
    let before = house.server().resident_kib();
    let (job, quoted, submitted) = timed(&consumer, &QuoteRequest { program, input, spec }).await;
    assert!(quoted < QUOTE_LIMIT, "the quote took {quoted:?}");
    assert!(submitted < SUBMIT_LIMIT, "the submission took {submitted:?}");
    assert_eq!(job.counts.waiting, MILLION);
    let run = consumer.client.chunk_run(job.id, ChunkIndex(765_432)).await.unwrap();
    assert_eq!(consumer.client.chunk_input(&run, 0).await.unwrap(), b"line 765432\n");
    let grown = grown(&mut house, before);
    assert!(grown < WAITING_BYTES_MAX, "{grown} bytes for a chunk that waits");
    cancelled(&consumer, &job).await;
}

#[tokio::test]
async fn what_is_done_of_a_million_chunks_can_be_taken() {
    let house = House::open().await;
    let (consumer, lender) = (house.person("carla").await, house.person("lena").await);
    let request = request(&consumer, echo(), range(MILLION.into(), 1)).await;
    let job = submit(&consumer, &request).await.unwrap().id;
    let agent = house.agent(&lender).await;
    let client = &consumer.client;
    let done = until("a few chunks", async || {
        let counts = client.job(job).await.unwrap().counts;
        (counts.done() >= 3).then_some(counts.done())
    })
    .await;
    drop(agent);

    let page = client.chunks(job, None, (200, None)).await.unwrap().items;
    let indexes: Vec<u32> = page.iter().map(|chunk| chunk.index.0).collect();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>(), "with a row and without");
    assert_eq!((page[0].state, page[199].state), (ChunkState::Verified, ChunkState::Waiting));

    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    client.download_chunks(job, &at("chunks.zip"), no_progress()).await.unwrap();
    let archive = std::fs::File::open(at("chunks.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    assert!(archive.len() > usize::try_from(done).unwrap());
    let mut read = |name: &str| {
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(read("000000/stdout"), "0 1\n");
    let more = read("MORE.txt");
    assert!(more.contains("chunks 0 to 99999 of 1000000") && more.contains("?from=100000"));

    let of = client.download_partial(job, "out.txt", &at("partial")).await.unwrap();
    assert!(of.ends_with("/1000000"), "{of}");
    assert!(std::fs::read_to_string(at("partial")).unwrap().starts_with("0 1\n1 1\n"));
    let aside: i64 = sqlx::query_scalar("select count(*) from blob_trash")
        .fetch_one(&house.db.pool)
        .await
        .unwrap();
    assert_eq!(aside, 1, "a preview is not kept for ever");
    client.download_report(job, &at("report.html")).await.unwrap();
    assert!(std::fs::metadata(at("report.html")).unwrap().len() < 4_000_000);
    assert!(client.compare_jobs(job, job).await.unwrap().chunks_equal >= done);
    let ended = client.cancel_job(job, operation_id()).await.unwrap();
    assert_eq!(ended.state, JobState::Cancelled);
    assert!(ended.cost.spent.is_positive());
}

#[tokio::test]
async fn a_quote_keeps_its_plan_and_one_that_has_none_is_planned_again() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(3, 1)).await;
    let quote = consumer.client.quote(&request).await.unwrap();
    let plans = "select count(*) from plan p join submission s using (quote_id)";
    let gone = sqlx::query("delete from plan").execute(&house.db.pool).await.unwrap();
    assert_eq!(gone.rows_affected(), 1);
    let submit = JobSubmit::of(quote.id);
    let job = consumer.client.submit_job(&submit, operation_id()).await.unwrap();
    assert_eq!(job.counts.waiting, 3);
    let kept: i64 = sqlx::query_scalar(plans).fetch_one(&house.db.pool).await.unwrap();
    assert_eq!(kept, 1);
    let told = br#"{"chunks":{"seeds":{"from":0,"to":3,"step":1}},"picture":null}"#;
    assert_eq!(plan(&house, &consumer, job.id).await, (told.to_vec(), true));
    // The same quote once more is the same job.
    let again = consumer.client.submit_job(&submit, operation_id()).await.unwrap();
    assert_eq!(again.id, job.id);
}

#[tokio::test]
async fn a_job_from_before_plans_were_kept_goes_on() -> Result<(), ClientError> {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let request = request(&consumer, echo(), range(3, 1)).await;
    let quote = consumer.client.quote(&request).await?;
    let job = consumer.client.submit_job(&JobSubmit::of(quote.id), operation_id()).await?;
    house.kill9();
    // As such jobs stand in the tables: the plan is a list, and each chunk has a row.
    let listed = r#"{"chunks": [{"seeds": {"first": 0, "count": 1}}, {"seeds": {"first": 1, "count": 1}},
        {"seeds": {"first": 2, "count": 1}}], "picture": null}"#;
    for (query, rows) in [
        ("delete from plan where $1 <> ''", 1),
        ("update submission set quote_id = null, plan = $1::jsonb", 1),
        (
            "insert into chunk (job_id, index, state, live, attempts, price)
             select job_id, index, 'waiting', 0, 0, 0 from job, generate_series(0, 2) as index
             where $1 <> ''",
            3,
        ),
    ] {
        let query = sqlx::query(query).bind(listed).execute(&house.db.pool).await.unwrap();
        assert_eq!(query.rows_affected(), rows);
    }
    house.restart().await;
    let (told, _) = plan(&house, &consumer, job.id).await;
    assert_eq!(String::from_utf8(told).unwrap(), listed.replace([' ', '\n'], ""));
    let lender = house.person("lena").await;
    let _agent = house.agent(&lender).await;
    let job = ended(&consumer, job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let out = consumer.client.result(&job, "out.txt").await?;
    assert_eq!(out.as_deref(), Some(&b"0 1\n1 1\n2 1\n"[..]));
    let all = chunks(&consumer, job.id).await;
    assert!(all.iter().all(|chunk| chunk.state != ChunkState::Waiting && chunk.attempts == 1));
    let rerun = run(&consumer, &request).await;
    let compared = consumer.client.compare_jobs(job.id, rerun.id).await?;
    assert_eq!((compared.chunks_equal, compared.chunks_alone), (3, 0));
    Ok(())
}
