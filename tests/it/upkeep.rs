//! What is derived from the log is put right: values in Redis that lie, and read models that are
//! built anew while a job runs. The money does not notice any of it.

use std::process::Output;
use std::time::Duration;

use futures_util::StreamExt as _;
use medusa_api::{Job, JobLive, JobState, LiveEvent, Wallet};
use medusa_client::Topic;
use medusa_types::{Credits, JobId};
use redis::aio::MultiplexedConnection;

use crate::harness::{
    House, Person, add_up, ended, range, request, settlements, slow_echo, submit, until, within,
};

const CHUNKS: u64 = 40;
/// As long as a wrong value may be seen.
const LIMIT: Duration = Duration::from_secs(5);

/// A position that no log ever reaches.
const FAR: &str = "9000000000000000";
/// A wallet and a job that never were.
const RICH: &str = r#"{"type":"wallet","available":"9999.00","held":"0.00","paid":"9999.00",
    "ad":"0.00","promo":"0.00","earned_pending":"0.00","earned":"0.00","position":9000000}"#;

async fn connect(house: &House) -> MultiplexedConnection {
    let client = redis::Client::open(house.redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn order(house: &House, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec_async(&mut connect(house).await).await.unwrap();
}

async fn head(house: &House) -> i64 {
    let query = "select position from log_head";
    sqlx::query_scalar(query).fetch_one(&house.db.pool).await.unwrap()
}

async fn position_of(house: &House, key: &str) -> Option<i64> {
    let mut redis = connect(house).await;
    redis::cmd("HGET").arg(key).arg("pos").query_async(&mut redis).await.ok()?
}

async fn first(person: &Person, topic: Topic) -> Option<LiveEvent> {
    let mut events = Box::pin(person.client.stream(&[topic]));
    tokio::time::timeout(Duration::from_secs(1), events.next()).await.ok()??.ok()
}

/// What somebody who comes now sees of a job.
async fn snapshot(person: &Person, job: JobId) -> Option<JobLive> {
    match first(person, Topic::Job(job)).await? {
        LiveEvent::Snapshot(live) => Some(live),
        other => panic!("the first event was no snapshot: {other:?}"),
    }
}

async fn live_wallet(person: &Person) -> Option<Wallet> {
    match first(person, Topic::Wallet).await? {
        LiveEvent::Wallet(wallet) => Some(wallet),
        other => panic!("the first event was no wallet: {other:?}"),
    }
}

/// Waits until pages are right again: the job as a whole, not older than before, and the wallet.
async fn right_again(house: &House, person: &Person, before: &Job, keys: [&str; 2], after: &str) {
    within(LIMIT, &format!("a right page after {after}"), async || {
        let live = snapshot(person, before.id).await?;
        let digits = |digit| live.cells.chars().filter(|c| *c == digit).count();
        let whole = u64::try_from(live.cells.len()).unwrap() == CHUNKS
            && u32::try_from(digits('2')).unwrap() == live.counts.verified
            && live.cost.held == before.cost.held;
        let head = head(house).await;
        let sound = (before.position..=head).contains(&live.position);
        let wallet = live_wallet(person).await?;
        let mut kept = true;
        for key in keys {
            kept &= position_of(house, key).await.is_some_and(|position| position <= head);
        }
        (whole && sound && kept && wallet.position <= head).then_some(())
    })
    .await;
}

/// Everything that must be so at the end.
async fn ends_well(house: &House, consumer: &Person, lenders: &[&Person], job: JobId) {
    let job = ended(consumer, job).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let lines: String = (0..CHUNKS).map(|chunk| format!("{chunk} 1\n")).collect();
    assert_eq!(consumer.client.result(&job, "out.txt").await.unwrap(), Some(lines.into_bytes()));
    assert!(settlements(house, job.id).await.iter().all(|times| *times == 1));
    add_up(house, consumer, lenders, &[job.id]).await;
    let checked = run(house, &["invariants"]).await;
    assert!(checked.status.success(), "{}", words(&checked));
}

/// A command of the server's program beside the running server.
async fn run(house: &House, args: &[&str]) -> Output {
    let mut command = house.command();
    command.args(args);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn words(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Waits until some chunks are done.
async fn under_way(consumer: &Person, job: JobId, done: u32) -> Job {
    until("the middle of the job", async || {
        let job = consumer.client.job(job).await.ok()?;
        assert!(!job.state.is_final(), "it ended too early: {:?}", job.counts);
        (job.counts.done() >= done && job.counts.leased > 0).then_some(job)
    })
    .await
}

#[tokio::test]
async fn redis_may_lie_about_wallets_and_jobs_and_is_right_again_within_seconds() {
    let mut house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let request = request(&consumer, slow_echo(100), range(CHUNKS, 2)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let me = consumer.client.me().await.unwrap().user;
    let keys = [format!("job:{{{}}}", job.id), format!("wallet:{{{me}}}")];
    let [job_key, wallet_key] = [keys[0].as_str(), keys[1].as_str()];
    let keys = [job_key, wallet_key];
    let before = under_way(&consumer, job.id, 1).await;
    right_again(&house, &consumer, &before, keys, "the start").await;

    for key in keys {
        order(&house, &["HSET", key, "pos", FAR, "json", RICH]).await;
    }
    let before = consumer.client.job(job.id).await.unwrap();
    let wallet = consumer.client.wallet().await.unwrap();
    assert!(wallet.available < Credits::from_micros(100_000_000), "the books do not read Redis");
    right_again(&house, &consumer, &before, keys, "a position that no log reaches").await;

    for key in keys {
        order(&house, &["DEL", key]).await;
        order(&house, &["SET", key, "a text"]).await;
    }
    right_again(&house, &consumer, &before, keys, "a text in their places").await;
    for key in keys {
        order(&house, &["HSET", key, "pos", "soon"]).await;
    }
    right_again(&house, &consumer, &before, keys, "a word for a position").await;

    order(&house, &["FLUSHALL"]).await;
    right_again(&house, &consumer, &before, keys, "a flush").await;
    house.redis.stop().unwrap();
    let away = under_way(&consumer, job.id, before.counts.done() + 1).await;
    assert!(away.cost.spent > before.cost.spent, "payments go on without Redis");
    house.redis.restart().unwrap();
    let before = consumer.client.job(job.id).await.unwrap();
    right_again(&house, &consumer, &before, keys, "a restart without anything").await;

    // What is kept of a job that has ended does not count.
    let job = ended(&consumer, job.id).await;
    order(&house, &["HSET", job_key, "pos", FAR, "json", RICH]).await;
    let live = snapshot(&consumer, job.id).await.unwrap();
    assert_eq!(
        (live.state, live.cost),
        (job.state, consumer.client.job(job.id).await.unwrap().cost)
    );
    ends_well(&house, &consumer, &[&lena, &luis], job.id).await;
    drop(agents);
}

#[tokio::test]
async fn read_models_are_built_anew_while_a_job_runs() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let agents = [house.agent(&lena).await, house.agent(&luis).await];
    let request = request(&consumer, slow_echo(100), range(CHUNKS, 2)).await;
    let job = submit(&consumer, &request).await.unwrap();
    under_way(&consumer, job.id, 1).await;
    let rebuilt = run(&house, &["rebuild"]).await;
    let told = words(&rebuilt);
    assert!(rebuilt.status.success(), "{told}");
    for name in ["books", "tiles", "jobs", "sessions", "billing"] {
        let line = told.lines().find(|line| line.starts_with(&format!("{name}: ")));
        assert!(line.is_some_and(|line| line.ends_with("nothing differed")), "{told}");
    }
    assert!(told.contains("live: the server writes every job anew"), "{told}");

    let faults = [
        ("jobs", "update job set spent = spent + 5000000, verified = verified + 1"),
        ("jobs", "update chunk set state = 'failed' where index < 3"),
        ("jobs", "delete from lease where ended_position is not null"),
        ("books", "update statement_page set amounts[1] = amounts[1] + 1"),
        ("billing", "delete from escrow_owner"),
    ];
    for (name, fault) in faults {
        let done = sqlx::query(fault).execute(&house.db.pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{fault}");
        let told = words(&run(&house, &["rebuild", name]).await);
        assert!(told.contains(" put right"), "{fault}: {told}");
        assert!(!consumer.client.job(job.id).await.unwrap().state.is_final(), "it is too short");
    }
    let told = words(&run(&house, &["rebuild", "nothing-like-that"]).await);
    assert!(told.contains("possible values"), "{told}");
    ends_well(&house, &consumer, &[&lena, &luis], job.id).await;
    let told = words(&run(&house, &["rebuild"]).await);
    assert_eq!(told.matches("nothing differed").count(), 5, "{told}");
    drop(agents);
}
