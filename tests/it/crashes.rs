//! Agents, the server and Redis die in the middle of a job. It ends right all the same, and each
//! chunk is paid once.

use std::time::Duration;

use futures_util::StreamExt as _;
use medusa_api::{Job, JobLive, JobState, LiveEvent, QuoteRequest};
use medusa_client::Topic;
use medusa_types::JobId;

use crate::harness::{
    House, Person, add_up, ended, range, request, settlements, slow_echo, submit, until, within,
};

const CHUNKS: u64 = 24;

/// A job that takes some seconds.
async fn long(consumer: &Person) -> QuoteRequest {
    request(consumer, slow_echo(60), range(CHUNKS, 2)).await
}

fn lines() -> Vec<u8> {
    (0..CHUNKS).flat_map(|chunk| format!("{chunk} 1\n").into_bytes()).collect()
}

/// Waits until some chunks are done and others are under way.
async fn half_way(consumer: &Person, job: JobId) -> Job {
    until("the middle of the job", async || {
        let job = consumer.client.job(job).await.ok()?;
        assert!(!job.state.is_final(), "it ended before the fault: {:?}", job.counts);
        (job.counts.done() >= 4 && job.counts.leased > 0).then_some(job)
    })
    .await
}

/// Everything that must be so after a job that was disturbed.
async fn ends_well(house: &House, consumer: &Person, lenders: &[&Person], job: JobId) {
    let job = ended(consumer, job).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let result = consumer.client.result(&job, "out.txt").await.unwrap();
    assert_eq!(result, Some(lines()));
    assert_eq!(settlements(house, job.id).await, [1; 24]);
    add_up(house, consumer, lenders, &[job.id]).await;
}

#[tokio::test]
async fn a_job_survives_an_agent_that_is_killed() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let doomed = house.agent(&lena).await;
    let _agent = house.agent(&luis).await;
    let job = submit(&consumer, &long(&consumer).await).await.unwrap();
    half_way(&consumer, job.id).await;
    doomed.kill9();
    ends_well(&house, &consumer, &[&lena, &luis], job.id).await;
    // It held a lease, and that one was not paid.
    let lost: i64 = sqlx::query_scalar(
        "select count(*) from audit.events
         where kind = 'jobs.lease_ended' and body -> 'data' ->> 'why' = 'lost'",
    )
    .fetch_one(&house.db.pool)
    .await
    .unwrap();
    assert!(lost > 0, "the agent was killed between two chunks: no lease was lost");
}

#[tokio::test]
async fn a_job_survives_a_server_that_is_killed_and_pays_each_chunk_once() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let job = submit(&consumer, &long(&consumer).await).await.unwrap();
    for _ in 0..2 {
        let before = half_way(&consumer, job.id).await;
        house.kill9();
        house.restart().await;
        let after = consumer.client.job(job.id).await.unwrap();
        assert!(after.counts.done() >= before.counts.done(), "nothing that was done is lost");
        assert!(after.cost.spent >= before.cost.spent);
    }
    ends_well(&house, &consumer, &[&lena, &luis], job.id).await;
    drop(agents);
}

/// What somebody who comes now sees first.
async fn snapshot(person: &Person, job: JobId) -> Option<JobLive> {
    let mut events = Box::pin(person.client.stream(&[Topic::Job(job)]));
    let first = tokio::time::timeout(Duration::from_secs(1), events.next()).await.ok()?;
    match first?.ok()? {
        LiveEvent::Snapshot(live) => Some(live),
        other => panic!("the first event was no snapshot: {other:?}"),
    }
}

#[tokio::test]
async fn a_job_does_not_notice_that_redis_was_flushed_and_pages_know_everything_again_soon() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let job = submit(&consumer, &long(&consumer).await).await.unwrap();
    let mut listener = Box::pin(consumer.client.stream(&[Topic::Job(job.id)]));
    let before = half_way(&consumer, job.id).await;
    let redis = redis::Client::open(house.redis.url()).unwrap();
    let mut connection = redis.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("flushall").query_async(&mut connection).await.unwrap();
    within(Duration::from_secs(5), "a right snapshot", async || {
        let live = snapshot(&consumer, job.id).await?;
        let digits = |digit: char| live.cells.chars().filter(|c| *c == digit).count();
        let whole = live.cells.len() == 24
            && u32::try_from(digits('2')).unwrap() == live.counts.verified
            && live.counts.total == 24;
        (whole && live.position >= before.position && live.counts.done() >= before.counts.done())
            .then_some(())
    })
    .await;
    // Who listened all the time hears of the end.
    let end = async {
        loop {
            match listener.next().await.unwrap().unwrap() {
                LiveEvent::Snapshot(live) | LiveEvent::Delta(live) if live.state.is_final() => {
                    return live;
                }
                _ => {}
            }
        }
    };
    let end = tokio::time::timeout(crate::harness::PATIENCE, end).await.expect("an end");
    assert_eq!((end.state, end.counts.verified), (JobState::Done, 24));
    ends_well(&house, &consumer, &[&lena, &luis], job.id).await;
    drop(agents);
}

/// Somebody with the database changes which part of the input a chunk reads: the hash in the log is
/// of another plan, so nobody computes by this one and nobody pays for it.
#[tokio::test]
async fn a_job_whose_plan_was_changed_ends_and_costs_nothing() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let job = submit(&consumer, &long(&consumer).await).await.unwrap();
    house.kill9();
    let change = "update plan set json = replace(encode(json, 'escape'), '24', '23')::bytea";
    let changed = sqlx::query(change).execute(&house.db.pool).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    house.restart().await;
    let lender = house.person("lena").await;
    let _agent = house.agent(&lender).await;
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.done()), (JobState::Failed, 0));
    assert!(job.reason.unwrap().contains("not the one that you agreed to"));
    until("the hold given back", async || {
        let job = consumer.client.job(job.id).await.ok()?;
        (job.cost.released == job.cost.held).then_some(())
    })
    .await;
    add_up(&house, &consumer, &[&lender], &[job.id]).await;
}
