//! What a consumer does to a job that runs: pauses it, raises its budget, tries failed chunks
//! again, runs it once more. Nothing is paid twice, and the books add up.

use std::time::Duration;

use medusa_api::{Chunk, ChunkState, Job, JobState, JobSubmit, PauseWhy};
use medusa_client::{ClientError, operation_id};
use medusa_protocol::Lease;
use medusa_types::{Bundle, Credits, Outcome};

use crate::harness::{
    House, Person, ScriptedAgent, add_up, broken_invariants, chunks, echo, ended, range, request,
    slow_echo, submit, until,
};

/// A house with a consumer, and two owners whose agents do as they are told.
async fn house() -> (House, Person, [Person; 2], [ScriptedAgent; 2]) {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let keys = [house.enrol(&lenders[0], "one").await, house.enrol(&lenders[1], "two").await];
    let agents = [
        ScriptedAgent::connect(&house, &keys[0], 1).await,
        ScriptedAgent::connect(&house, &keys[1], 1).await,
    ];
    (house, consumer, lenders, agents)
}

fn code(answer: Result<Job, ClientError>) -> String {
    answer.unwrap_err().code().unwrap_or_default().to_owned()
}

/// How a lease ends, and with which tenths of the fuel that it allows.
type Rule = fn(&Lease) -> (Outcome, u64);

const EASY: Rule = |_| (Outcome::Done, 1);
/// It takes all the fuel that it may.
const HARD: Rule = |_| (Outcome::Done, 10);

/// Works by the rule as long as it is asked.
async fn work(agent: &mut ScriptedAgent, rule: Rule) {
    loop {
        let (lease, _) = agent.lease().await;
        let (outcome, tenths) = rule(&lease);
        let output = Bundle::of_stdout(format!("{} 1\n", lease.chunk).into_bytes()).encode();
        agent.say(&lease, outcome, output, lease.limits.fuel.div_ceil(10) * tenths).await;
    }
}

/// Both agents work by the rule until something is so.
async fn work_until<T>(
    agents: &mut [ScriptedAgent; 2],
    rule: Rule,
    so: impl Future<Output = T>,
) -> T {
    let [one, two] = agents;
    let both = async { tokio::join!(work(one, rule), work(two, rule)) };
    tokio::select! {
        so = so => so,
        _ = both => unreachable!("they work as long as they are asked"),
    }
}

async fn paused(consumer: &Person, job: &Job) -> Job {
    until("a pause", async || {
        let job = consumer.client.job(job.id).await.unwrap();
        (job.state == JobState::Paused).then_some(job)
    })
    .await
}

#[tokio::test]
async fn a_paused_job_waits_and_is_resumed_and_others_cannot_touch_it() {
    let (house, consumer, [lena, luis], mut agents) = house().await;
    let stranger = house.person("sid").await;
    let job = submit(&consumer, &request(&consumer, echo(), range(300, 2)).await).await.unwrap();
    let some = until("a result", async || {
        let job = consumer.client.job(job.id).await.unwrap();
        (job.counts.verified > 0).then_some(())
    });
    work_until(&mut agents, EASY, some).await;
    let key = operation_id();
    for _ in 0..2 {
        let job = consumer.client.pause_job(job.id, key).await.unwrap();
        assert_eq!((job.state, job.paused), (JobState::Paused, Some(PauseWhy::Asked)));
        assert!(job.waiting.unwrap().contains("you paused it"));
    }
    let answer = stranger.client.resume_job(job.id, operation_id()).await;
    assert_eq!(code(answer), "platform.not_found");
    // What was handed out before is finished and paid; then nothing more comes.
    let more = tokio::time::sleep(Duration::from_secs(2));
    work_until(&mut agents, EASY, more).await;
    let before = consumer.client.job(job.id).await.unwrap();
    let more = tokio::time::sleep(Duration::from_secs(2));
    work_until(&mut agents, EASY, more).await;
    let after = consumer.client.job(job.id).await.unwrap();
    assert_eq!((after.counts, after.cost), (before.counts, before.cost));
    assert!(after.counts.verified < 300 && after.counts.leased == 0, "{:?}", after.counts);
    let job = consumer.client.resume_job(job.id, operation_id()).await.unwrap();
    assert_eq!((job.state, job.paused), (JobState::Running, None));
    let job = work_until(&mut agents, EASY, ended(&consumer, job.id)).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 300), "{:?}", job.reason);
    assert_eq!(code(consumer.client.pause_job(job.id, operation_id()).await), "jobs.ended");
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}

#[tokio::test]
async fn a_job_whose_hold_is_spent_pauses_survives_a_restart_and_goes_on_with_more() {
    let (mut house, consumer, [lena, luis], mut agents) = house().await;
    let spec = range(6, 2);
    let job = submit(&consumer, &request(&consumer, slow_echo(40), spec).await).await.unwrap();
    let held = job.cost.held;
    // Every chunk takes four times the fuel of the sample.
    let job = work_until(&mut agents, HARD, paused(&consumer, &job)).await;
    assert_eq!((job.paused, job.counts.failed), (Some(PauseWhy::HoldSpent), 0));
    assert!(job.counts.verified < 6 && job.cost.spent <= held);
    assert_eq!(code(consumer.client.resume_job(job.id, operation_id()).await), "jobs.hold_spent");
    for (add, code_of) in
        [(Credits::ZERO, "jobs.amount"), (Credits::from_micros(i64::MAX), "billing.credits_short")]
    {
        let answer = consumer.client.raise_budget(job.id, add, operation_id()).await;
        assert_eq!(code(answer), code_of);
    }
    house.kill9();
    house.restart().await;
    let still = consumer.client.job(job.id).await.unwrap();
    assert_eq!((still.state, still.paused), (JobState::Paused, Some(PauseWhy::HoldSpent)));
    let key = operation_id();
    for _ in 0..2 {
        let job = consumer.client.raise_budget(job.id, held, key).await.unwrap();
        assert_eq!(job.cost.held, held.saturating_add(held), "the same key raises once");
        assert_eq!(job.state, JobState::Running);
    }
    let keys = [house.enrol(&lena, "three").await, house.enrol(&luis, "four").await];
    let mut agents = [
        ScriptedAgent::connect(&house, &keys[0], 1).await,
        ScriptedAgent::connect(&house, &keys[1], 1).await,
    ];
    let job = work_until(&mut agents, HARD, ended(&consumer, job.id)).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 6), "{:?}", job.reason);
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}

#[tokio::test]
async fn failed_chunks_wait_for_a_decision_and_a_retry_gives_them_more_fuel() {
    let (house, consumer, [lena, luis], mut agents) = house().await;
    let mut spec = range(3, 2);
    spec.keep_going = true;
    let job = submit(&consumer, &request(&consumer, echo(), spec).await).await.unwrap();
    let answer = consumer.client.retry_job(job.id, 0, operation_id()).await;
    assert_eq!(code(answer), "jobs.fuel_times");
    let answer = consumer.client.retry_job(job.id, 2, operation_id()).await;
    assert_eq!(code(answer), "jobs.nothing_failed");
    let rule: Rule = |lease| match lease.chunk {
        0 => (Outcome::FuelOut, 10),
        _ => (Outcome::Done, 1),
    };
    let job = work_until(&mut agents, rule, paused(&consumer, &job)).await;
    assert_eq!((job.paused, job.counts.failed), (Some(PauseWhy::ChunksFailed), 1));
    for state in ChunkState::ALL {
        let found = consumer.client.chunks(job.id, Some(state), (200, None)).await.unwrap().items;
        let wanted: Vec<Chunk> = chunks(&consumer, job.id).await;
        let wanted: Vec<Chunk> = wanted.into_iter().filter(|c| c.state == state).collect();
        assert_eq!(found, wanted, "{}", state.as_str());
        assert_eq!(u32::try_from(found.len()).unwrap(), job.counts.of(state));
    }
    let answer = consumer.client.resume_job(job.id, operation_id()).await;
    assert_eq!(code(answer), "jobs.chunks_failed");
    // Three times the fuel is more than what is left of the hold.
    let add = job.cost.held;
    consumer.client.raise_budget(job.id, add, operation_id()).await.unwrap();
    let job = consumer.client.retry_job(job.id, 3, operation_id()).await.unwrap();
    assert_eq!((job.state, job.counts.failed), (JobState::Running, 0));
    // The limit is at least 200,000,000: what was not enough before is now.
    let rule: Rule = |lease| {
        assert_eq!((lease.chunk, lease.limits.fuel), (0, 600_000_000));
        (Outcome::Done, 4)
    };
    let job = work_until(&mut agents, rule, ended(&consumer, job.id)).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 3), "{:?}", job.reason);
    let out = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(out, b"0 1\n1 1\n2 1\n".as_slice());
    let wallets = [&lena, &luis].map(|lender| lender.client.wallet());
    let earned = futures_util::future::join_all(wallets).await;
    let earned: Credits = earned
        .into_iter()
        .map(|wallet| wallet.unwrap().earned_pending)
        .fold(Credits::ZERO, Credits::saturating_add);
    assert_eq!(earned, job.cost.spent.saturating_sub(job.cost.fee));
    assert!(broken_invariants(&house).await.is_empty());
}

#[tokio::test]
async fn the_same_job_once_more_is_a_quote_of_the_same() {
    let (_house, consumer, _, mut agents) = house().await;
    let job = submit(&consumer, &request(&consumer, echo(), range(1, 2)).await).await.unwrap();
    let first = work_until(&mut agents, EASY, ended(&consumer, job.id)).await;
    let quote = consumer.client.rerun_job(first.id).await.unwrap();
    let submit = JobSubmit::of(quote.id);
    let again = consumer.client.submit_job(&submit, operation_id()).await.unwrap();
    assert!(again.id != first.id && again.spec == first.spec);
    assert_eq!((again.program, again.cost.held), (first.program, first.cost.held));
}

#[tokio::test]
async fn an_urgent_job_costs_more_and_one_that_can_wait_less() {
    let (_house, consumer, _, _agents) = house().await;
    let mut held = Vec::new();
    for priority in ["economy", "standard", "urgent"] {
        let mut spec = range(1_000, 2);
        spec.priority = serde_json::from_value(priority.into()).unwrap();
        let request = request(&consumer, slow_echo(100), spec).await;
        held.push(consumer.client.quote(&request).await.unwrap().likely.micros());
    }
    assert!(held[0] < held[1] && held[1] < held[2], "{held:?}");
    // Half as much again, but for what is rounded up.
    let (more, usual) = (held[2] * 100, held[1]);
    assert!((145 * usual..=155 * usual).contains(&more), "{held:?}");
}

#[tokio::test]
async fn the_last_copies_of_a_job_do_not_wait_for_an_agent_that_hangs() {
    let (house, consumer, _, [mut one, mut two]) = house().await;
    let third = house.person("lotte").await;
    let job = submit(&consumer, &request(&consumer, echo(), range(12, 2)).await).await.unwrap();
    let mut hung = false;
    let answer = async |agent: &mut ScriptedAgent, hang: bool| {
        loop {
            let (lease, _) = agent.lease().await;
            if hang && lease.chunk >= 11 {
                return;
            }
            let output = Bundle::of_stdout(format!("{} 1\n", lease.chunk).into_bytes()).encode();
            agent.report(&lease, output, 5_000).await;
        }
    };
    // The second one takes the last chunk, keeps its connection, and never answers.
    tokio::select! {
        () = async { tokio::join!(answer(&mut one, false), answer(&mut two, true)); } => {}
        () = async {
            until("the last chunk", async || {
                let job = consumer.client.job(job.id).await.unwrap();
                (job.counts.verified == 11).then_some(())
            }).await;
        } => hung = true,
    }
    assert!(hung, "the first agent has nothing more to do");
    let key = house.enrol(&third, "three").await;
    let mut three = ScriptedAgent::connect(&house, &key, 1).await;
    let began = std::time::Instant::now();
    let job = tokio::select! {
        job = ended(&consumer, job.id) => job,
        () = answer(&mut three, false) => unreachable!("it works as long as it is asked"),
    };
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 12), "{:?}", job.reason);
    assert!(began.elapsed() < Duration::from_secs(30), "a lease would have lasted a minute");
}

#[tokio::test]
async fn a_job_may_be_given_less_than_the_hold_and_pauses_when_that_is_spent() {
    let (house, consumer, [lena, luis], mut agents) = house().await;
    let request = request(&consumer, slow_echo(40), range(6, 2)).await;
    let quote = consumer.client.quote(&request).await.unwrap();
    let within = |budget| JobSubmit { budget, ..JobSubmit::of(quote.id.clone()) };
    let little = within(Some(Credits::from_micros(1)));
    let refused = consumer.client.submit_job(&little, operation_id()).await;
    assert_eq!(code(refused), "jobs.budget");
    assert_eq!(consumer.client.wallet().await.unwrap().held, Credits::ZERO);
    let budget = quote.likely;
    let job = consumer.client.submit_job(&within(Some(budget)), operation_id()).await.unwrap();
    assert!(budget < quote.hold);
    assert_eq!(job.cost.held, budget);
    let job = work_until(&mut agents, HARD, paused(&consumer, &job)).await;
    assert_eq!((job.state, job.paused), (JobState::Paused, Some(PauseWhy::HoldSpent)));
    assert!(job.cost.spent <= budget && job.counts.verified > 0);
    consumer.client.raise_budget(job.id, quote.hold, operation_id()).await.unwrap();
    let job = work_until(&mut agents, HARD, ended(&consumer, job.id)).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 6), "{:?}", job.reason);
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}

#[tokio::test]
async fn orders_that_come_at_the_same_moment_are_all_carried_out() {
    let (house, consumer, [lena, luis], _agents) = house().await;
    let job =
        submit(&consumer, &request(&consumer, slow_echo(40), range(6, 2)).await).await.unwrap();
    let client = &consumer.client;
    let add = Credits::from_micros(10);
    let raised = (0..12).map(|_| client.raise_budget(job.id, add, operation_id()));
    let paused = (0..6).map(|_| client.pause_job(job.id, operation_id()));
    let (raised, paused) = tokio::join!(
        futures_util::future::join_all(raised),
        futures_util::future::join_all(paused)
    );
    assert!(raised.into_iter().chain(paused).all(|answer| answer.is_ok()));
    let held = client.job(job.id).await.unwrap().cost.held;
    assert_eq!(held, job.cost.held.saturating_add(Credits::from_micros(120)));
    let key = operation_id();
    let stops = [key, key, operation_id(), operation_id()];
    let stopped = stops.map(|key| client.cancel_job(job.id, key));
    for answer in futures_util::future::join_all(stopped).await {
        assert_eq!(answer.unwrap().state, JobState::Cancelled);
    }
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}
