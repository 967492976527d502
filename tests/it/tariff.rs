//! A tariff with a price on everything: quoted, agreed in the log, and paid to the micro-credit,
//! also by a server that has another tariff by then.

use std::collections::BTreeMap;

use medusa_api::{JobState, JobSubmit, MergeBy};
use medusa_client::operation_id;
use medusa_types::{ChunkIndex, Credits, JobId};
use serde_json::Value;

use crate::harness::{House, add_program, add_up, ended, joiner, range, request, slow_echo};

/// Dear enough that a few bytes and little fuel cost something.
const TARIFF: &str = "per_gfuel=0.5,per_gfuel_gib=40,memory_free=16777216,per_gib=300,\
                      transfer_free=20,per_start=0.00001,fee_permille=100";
const GIB: u128 = 1 << 30;

/// What the job's stream tells: type and data of each event.
async fn story(house: &House, job: JobId) -> Vec<(String, Value)> {
    sqlx::query_as(
        "select kind, body -> 'data' from audit.events
         where stream = $1 order by pos",
    )
    .bind(format!("job-{job}"))
    .fetch_all(&house.db.pool)
    .await
    .unwrap()
}

fn units(data: &Value, name: &str) -> u128 {
    let amount: Credits = serde_json::from_value(data[name].clone()).unwrap();
    u128::try_from(amount.micros()).unwrap()
}

fn number(data: &Value, name: &str) -> u128 {
    u128::from(data[name].as_u64().unwrap_or_else(|| panic!("{name} of {data}")))
}

/// The data of the only event of this type.
fn only<'a>(story: &'a [(String, Value)], kind: &str) -> &'a Value {
    let found: Vec<&Value> =
        story.iter().filter(|(name, _)| name == kind).map(|(_, data)| data).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// Payments by chunk, each reckoned from the log as `docs/events/README.md` says.
fn by_hand(story: &[(String, Value)]) -> BTreeMap<u64, u128> {
    let (base, more) = (only(story, "jobs.job_submitted"), only(story, "jobs.resources_priced"));
    let rate = units(base, "per_gfuel") * GIB
        + units(more, "per_gfuel_gib") * number(more, "memory_bytes");
    let (mut moved, mut paid) = (BTreeMap::new(), BTreeMap::new());
    for (kind, data) in story {
        let chunk = data["chunk"].as_u64().unwrap_or_default();
        match kind.as_str() {
            "jobs.transfer_counted" => {
                moved.insert(chunk, number(data, "input_bytes") + number(data, "output_bytes"));
            }
            "billing.chunk_settled" => {
                let bytes = moved.get(&chunk).copied().unwrap_or_default();
                let bytes = bytes.min(number(more, "transfer_max"));
                let bytes = bytes.saturating_sub(number(more, "transfer_free"));
                let copy = units(base, "per_start")
                    + (number(data, "fuel") * rate).div_ceil(1_000_000_000 * GIB)
                    + (bytes * units(more, "per_gib")).div_ceil(GIB);
                let copies = u128::try_from(data["shares"].as_array().unwrap().len()).unwrap();
                assert_eq!(units(data, "price"), copies * copy, "{data}");
                assert_eq!(Some(units(data, "fee")), (copies * copy).checked_div(10));
                paid.insert(chunk, copies * copy);
            }
            _ => {}
        }
    }
    paid
}

#[tokio::test]
async fn memory_and_transfer_are_quoted_agreed_and_paid_to_the_micro_credit() {
    let mut house = House::open().await;
    house.kill9();
    house.settings.push(("MEDUSA_TARIFF", TARIFF.to_owned()));
    house.restart().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let tariff = consumer.client.tariff().await.unwrap();
    assert_eq!(tariff.per_gib, "300".parse().unwrap());
    let merger = add_program(&consumer, joiner()).await.unwrap();
    let mut spec = range(6, 2);
    spec.merge_by = Some(MergeBy { program: merger, args: Vec::new(), fan_in: 3, module: None });
    let request = request(&consumer, slow_echo(1), spec).await;
    let quote = consumer.client.quote(&request).await.unwrap();
    assert_eq!(quote.tariff, tariff);
    assert_eq!(quote.breakdown.sum(), quote.likely);
    for (name, part) in quote.breakdown.parts() {
        assert!(part.is_positive(), "{name} of {:?}", quote.breakdown);
    }
    assert!(quote.likely <= quote.hold && quote.sample_output > 0);
    let submit = JobSubmit::of(quote.id);
    let job = consumer.client.submit_job(&submit, operation_id()).await.unwrap();

    // The job keeps its prices, whatever the tariff of the server that goes on with it.
    house.kill9();
    house.settings.pop();
    house.restart().await;
    assert_ne!(consumer.client.tariff().await.unwrap(), tariff);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 9), "{:?}", job.reason);
    assert!(job.cost.spent <= quote.hold);

    let story = story(&house, job.id).await;
    let paid = by_hand(&story);
    assert_eq!(paid.len(), 9, "six chunks, and three runs that put them together");
    assert_eq!(paid.values().sum::<u128>(), u128::try_from(job.cost.spent.micros()).unwrap());
    assert_eq!(number(only(&story, "jobs.resources_priced"), "memory_bytes"), (64 - 16) << 20);
    let counted = |chunk: u64| {
        let of = |(kind, data): &&(String, Value)| {
            kind == "jobs.transfer_counted" && data["chunk"] == chunk
        };
        let (_, data) = story.iter().find(of).unwrap();
        (number(data, "input_bytes"), number(data, "output_bytes"))
    };
    for chunk in 0..6 {
        let run = consumer.client.chunk_run(job.id, ChunkIndex(chunk)).await.unwrap();
        let read: u64 = run.inputs.iter().map(|input| input.size).sum();
        assert_eq!(counted(chunk.into()).0, u128::from(read), "chunk {chunk}");
    }
    let below = (0..3).map(|chunk| counted(chunk).1).sum();
    assert_eq!(counted(6).0, below, "a node reads the results below it");
    let listed: i64 = sqlx::query_scalar(
        "select count(*) from audit.events where kind = 'billing.prices_listed'",
    )
    .fetch_one(&house.db.pool)
    .await
    .unwrap();
    assert_eq!(listed, 3, "the usual prices, those of this test, and the usual ones again");
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}
