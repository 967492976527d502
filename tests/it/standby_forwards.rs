//! Any server serves any request: people and agents who know only a standby notice neither that
//! another one writes, nor that it is killed, nor that it hands over. And who is told to end,
//! server or agent, finishes what runs.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use medusa_api::{Job, JobLive, JobState, LiveEvent, NewUpload, Upload, UploadState};
use medusa_client::{Topic, operation_id};
use medusa_types::{JobId, Sha256Hash};
use nix::sys::signal::Signal;
use reqwest::header::RANGE;

use crate::harness::{
    House, PATIENCE, Person, RealAgent, ScriptedAgent, Twin, add_up, ended, range, request,
    settlements, slow_echo, submit, until, within,
};
use crate::standby::standby;

const CHUNKS: u64 = 24;
/// Chunks under way are done within this, and a second signal is quicker than the server's limit.
const HANDOVER_MAX: Duration = Duration::from_secs(9);

/// A house whose address for everybody is that of a standby.
async fn behind_a_standby() -> (House, Twin) {
    let mut house = House::open().await;
    let second = standby(&house, "second").await;
    house.url = second.url.clone();
    (house, second)
}

/// Consumer, lenders and their agents, all of whom came through the standby.
async fn people(house: &House) -> (Person, [Person; 2], [RealAgent; 2]) {
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    (consumer, lenders, agents)
}

/// A job of some seconds, in its middle.
async fn half_way(consumer: &Person) -> JobId {
    let job = request(consumer, slow_echo(60), range(CHUNKS, 2)).await;
    let job = submit(consumer, &job).await.unwrap().id;
    until("the middle of the job", async || {
        let job = consumer.client.job(job).await.ok()?;
        assert!(!job.state.is_final(), "it ended too soon: {:?}", job.counts);
        (job.counts.done() >= 4 && job.counts.leased > 0).then_some(())
    })
    .await;
    job
}

/// The result is right, each chunk was paid once, and the books add up.
async fn ends_well(house: &House, consumer: &Person, lenders: &[Person], job: JobId) -> Job {
    let job = ended(consumer, job).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let lines: Vec<u8> = (0..CHUNKS).flat_map(|n| format!("{n} 1\n").into_bytes()).collect();
    assert_eq!(consumer.client.result(&job, "out.txt").await.unwrap(), Some(lines));
    assert_eq!(settlements(house, job.id).await, [1; 24]);
    let lenders: Vec<&Person> = lenders.iter().collect();
    add_up(house, consumer, &lenders, &[job.id]).await;
    job
}

/// The last state of a job that somebody sees who watches it all the time.
async fn watched(consumer: &Person, job: JobId) -> JobLive {
    let mut events = Box::pin(consumer.client.stream(&[Topic::Job(job)]));
    let end = async {
        loop {
            match events.next().await.unwrap().unwrap() {
                LiveEvent::Snapshot(live) | LiveEvent::Delta(live) if live.state.is_final() => {
                    return live;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.expect("an end")
}

/// Uploads these bytes in two parts.
async fn upload(house: &House, who: &Person, bytes: &[u8]) -> Sha256Hash {
    let (http, sha256) = (house.http(), Sha256Hash::of(bytes));
    let wish = NewUpload { size: bytes.len().try_into().unwrap(), sha256: Some(sha256) };
    let begin = http.post(format!("{}/v1/uploads", house.url)).bearer_auth(&who.token);
    let begun = begin.header("Idempotency-Key", operation_id().to_string()).json(&wish).send();
    let upload: Upload = begun.await.unwrap().json().await.unwrap();
    let (front, back) = bytes.split_at(1_000_000);
    for (at, part) in [(0, front), (front.len(), back)] {
        let url = format!("{}/v1/uploads/{}/parts/{at}", house.url, upload.id);
        let sent = http.put(url).bearer_auth(&who.token).body(part.to_vec()).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    until("an upload that is joined", async || {
        let now = who.client.upload_state(upload.id).await.unwrap();
        (now.state == UploadState::Done).then_some(())
    })
    .await;
    sha256
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_agents_who_know_only_a_standby_are_served() {
    let (house, second) = behind_a_standby().await;
    assert_eq!(second.ask("/").await, Some((200, None)), "a page");
    assert_eq!(second.ask("/v1/wallet").await.map(|(status, _)| status), Some(401));
    assert_eq!(second.ask("/v1/nothing").await.map(|(status, _)| status), Some(404));
    let (consumer, lenders, agents) = people(&house).await;

    let bytes: Vec<u8> =
        (0_u32..700_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let blob = format!("{}/v1/blobs/{}", house.url, upload(&house, &consumer, &bytes).await);
    let whole = house.http().get(&blob).bearer_auth(&consumer.token).send().await.unwrap();
    assert_eq!(whole.content_length(), Some(2_800_000));
    assert!(whole.bytes().await.unwrap() == bytes, "other bytes came back");
    let part = house.http().get(&blob).bearer_auth(&consumer.token);
    let part = part.header(RANGE, "bytes=1000-1999").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 1000-1999/2800000");
    assert_eq!(part.bytes().await.unwrap(), bytes[1_000..2_000]);
    let head = house.http().head(&blob).bearer_auth(&consumer.token).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].as_bytes()), {
        (200, b"2800000".as_slice())
    });
    // A note about another address that nobody signed is no note at all.
    let forged = house.http().get(format!("{}/v1/me", house.url)).bearer_auth(&consumer.token);
    let forged = forged.header("x-medusa-forwarded", "for=192.0.2.1:1&until=9999999999&sig=AAAA");
    assert_eq!(forged.send().await.unwrap().status(), 200);

    let job = half_way(&consumer).await;
    let (live, _) =
        tokio::join!(watched(&consumer, job), ends_well(&house, &consumer, &lenders, job));
    assert_eq!((live.state, u64::from(live.counts.verified)), (JobState::Done, CHUNKS));
    assert!(second.stands_by().await.is_some(), "another one writes all the time");
    drop(agents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_at_the_standby_when_the_writer_is_killed() {
    let (mut house, second) = behind_a_standby().await;
    let (consumer, lenders, agents) = people(&house).await;
    let job = half_way(&consumer).await;
    let before = consumer.client.job(job).await.unwrap();
    house.kill9();
    until("the standby as writer", || second.writes()).await;
    let after = consumer.client.job(job).await.unwrap();
    assert!(after.counts.done() >= before.counts.done(), "nothing that was done is lost");
    let (live, _) =
        tokio::join!(watched(&consumer, job), ends_well(&house, &consumer, &lenders, job));
    assert_eq!(live.state, JobState::Done);
    drop(agents);
}

/// Leases that ended without a report.
async fn lost_leases(house: &House) -> i64 {
    let query = "select count(*) from audit.events where kind = 'jobs.lease_ended'
                 and body -> 'data' ->> 'why' in ('lost', 'expired')";
    sqlx::query_scalar(query).fetch_one(&house.db.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_hands_over_loses_no_chunk() {
    let (mut house, second) = behind_a_standby().await;
    let (consumer, lenders, agents) = people(&house).await;
    let job = half_way(&consumer).await;
    let began = Instant::now();
    house.server().signal(Signal::SIGTERM);
    let end = within(HANDOVER_MAX, "the end of the first", async || house.server().ended()).await;
    assert!(end.success(), "it ended with {end:?}");
    let gap = Instant::now();
    until("the standby as writer", || second.writes()).await;
    eprintln!("ended after {:?}, replaced {:?} later", gap - began, gap.elapsed());
    let now = consumer.client.job(job).await.unwrap();
    assert!(!now.state.is_final(), "nothing is left to do for the second one: {:?}", now.counts);
    ends_well(&house, &consumer, &lenders, job).await;
    assert_eq!(lost_leases(&house).await, 0, "a chunk that ran was lost");
    drop(agents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_told_to_end_loses_no_chunk() {
    let house = House::open().await;
    let (consumer, lenders, [mut first, second]) = people(&house).await;
    let job = half_way(&consumer).await;
    first.process().signal(Signal::SIGTERM);
    let end = within(HANDOVER_MAX, "the end of the agent", async || first.process().ended()).await;
    assert!(end.success(), "it ended with {end:?}");
    let words = first.process().last_words();
    assert!(words.contains("stopped: finished"), "{words}");
    // Nobody else may confirm what both owners must compute.
    let now = consumer.client.job(job).await.unwrap();
    assert!(!now.state.is_final(), "it came too late: {:?}", now.counts);
    assert_eq!(lost_leases(&house).await, 0, "a chunk that ran was lost");
    let _again = house.agent(&lenders[0]).await;
    ends_well(&house, &consumer, &lenders, job).await;
    drop(second);
}

#[tokio::test]
async fn who_asks_twice_does_not_wait_for_chunks() {
    let mut house = House::open().await;
    let (consumer, lena) = (house.person("carla").await, house.person("lena").await);
    let token = house.enrol(&lena, "desk").await;
    let mut agent = ScriptedAgent::connect(&house, &token, 1).await;
    let job = request(&consumer, slow_echo(0), range(CHUNKS, 2)).await;
    submit(&consumer, &job).await.unwrap();
    agent.lease().await;
    house.server().signal(Signal::SIGTERM);
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.server().must_live();
    house.server().signal(Signal::SIGTERM);
    assert_eq!(agent.closed().await, Some(1012), "an agent is told that it may come again");
    let end = within(HANDOVER_MAX, "the end", async || house.server().ended()).await;
    assert!(end.success(), "it ended with {end:?}");
}
