//! Whom the house believes: nobody alone without a record, an agent that earned it, and again after
//! a pardon.

use std::time::Duration;

use medusa_api::{JobState, Verdict};
use medusa_client::operation_id;
use medusa_types::{Bundle, Credits};

use crate::harness::{
    House, ScriptedAgent, add_up, broken_invariants, chunks, echo, ended, range, request, run,
    submit, until,
};

/// A house with rules of its own.
async fn house(rules: &str) -> House {
    let mut house = House::open().await;
    house.kill9();
    house.settings.push(("MEDUSA_TRUST", rules.to_owned()));
    house.restart().await;
    house
}

#[tokio::test]
async fn what_the_server_cannot_check_waits_for_a_second_owner_and_is_not_paid_before() {
    let house = house("referee_fuel_max=0").await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _one = house.agent(&lena).await;
    let job = submit(&consumer, &request(&consumer, echo(), range(2, 1)).await).await.unwrap();
    let waiting = until("a job that waits for a stranger", async || {
        let job = consumer.client.job(job.id).await.unwrap();
        assert_eq!((job.state, job.cost.spent), (JobState::Running, Credits::ZERO));
        job.waiting.filter(|words| words.contains("another, unrelated owner"))
    })
    .await;
    assert!(waiting.contains("too large for the server"), "{waiting}");
    assert_eq!(lena.client.wallet().await.unwrap().earned_pending, Credits::ZERO);
    let _two = house.agent(&luis).await;
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 2), "{:?}", job.reason);
    for chunk in chunks(&consumer, job.id).await {
        assert_eq!(chunk.verdict, Some(Verdict::Agreed));
    }
    add_up(&house, &consumer, &[&lena, &luis], &[job.id]).await;
}

#[tokio::test]
async fn an_agent_with_a_record_works_alone_and_the_consumer_pays_less() {
    let house = house("seasoned_at=5,rerun_ppm=0").await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let _agents = [house.agent(&lena).await, house.agent(&luis).await];
    let twice = run(&consumer, &request(&consumer, echo(), range(60, 2)).await).await;
    for lender in [&lena, &luis] {
        let machine = until("a record", async || {
            let machine = lender.client.agents().await.unwrap().remove(0);
            (machine.streak == 60).then_some(machine)
        })
        .await;
        assert_eq!((machine.score, machine.check_ppm), (60, 20_000));
        assert!(machine.stake.is_positive() && machine.stake == machine.earned);
    }
    // The scheduler looks at the records twice a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let once = run(&consumer, &request(&consumer, echo(), range(60, 1)).await).await;
    assert_eq!((once.counts.verified, once.counts.unverified), (60, 0));
    let found = chunks(&consumer, once.id).await;
    let of = |verdict| found.iter().filter(|chunk| chunk.verdict == Some(verdict)).count();
    assert!(of(Verdict::Trusted) > 10, "{} of 60 were trusted", of(Verdict::Trusted));
    assert_eq!(of(Verdict::Trusted) + of(Verdict::Agreed), 60);
    assert!(once.cost.spent < twice.cost.spent);
    add_up(&house, &consumer, &[&lena, &luis], &[twice.id, once.id]).await;
}

#[tokio::test]
async fn a_proven_liar_loses_what_it_had_earned_and_not_been_paid_out() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let honest = house.agent(&lena).await;
    let first = run(&consumer, &request(&consumer, echo(), range(1, 1)).await).await;
    let fuel = chunks(&consumer, first.id).await[0].fuel.unwrap().0;
    honest.kill9();
    let key = house.enrol(&luis, "nest").await;
    let mut liar = ScriptedAgent::connect(&house, &key, 1).await;
    let good = submit(&consumer, &request(&consumer, echo(), range(1, 1)).await).await.unwrap();
    let (lease, _) = liar.lease().await;
    liar.report(&lease, Bundle::of_stdout(b"0 1\n".to_vec()).encode(), fuel).await;
    let good = ended(&consumer, good.id).await;
    let earned = good.cost.spent.saturating_sub(good.cost.fee);
    assert!(earned.is_positive());
    assert_eq!(luis.client.wallet().await.unwrap().earned_pending, earned);
    let bad = submit(&consumer, &request(&consumer, echo(), range(2, 1)).await).await.unwrap();
    for _ in 0..2 {
        let (lease, _) = liar.lease().await;
        liar.report(&lease, Bundle::of_stdout(b"a lie\n".to_vec()).encode(), fuel).await;
    }
    ended(&consumer, bad.id).await;
    let machine = until("the loss", async || {
        let machine = luis.client.agents().await.unwrap().remove(0);
        (machine.stake == Credits::ZERO).then_some(machine)
    })
    .await;
    let words: Vec<&str> = machine.marks.iter().map(|mark| mark.word.as_str()).collect();
    assert_eq!(words, ["forfeited", "wrong", "wrong"]);
    let wallet = luis.client.wallet().await.unwrap();
    assert_eq!((wallet.earned_pending, wallet.earned), (Credits::ZERO, Credits::ZERO));
    assert!(broken_invariants(&house).await.is_empty());
}

#[tokio::test]
async fn a_quarantined_agent_gets_no_work_until_an_admin_pardons_it() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let luis = house.person("luis").await;
    let key = house.enrol(&luis, "nest").await;
    let mut liar = ScriptedAgent::connect(&house, &key, 1).await;
    let job = submit(&consumer, &request(&consumer, echo(), range(2, 1)).await).await.unwrap();
    for _ in 0..2 {
        let (lease, _) = liar.lease().await;
        let output = Bundle::of_stdout(b"a lie\n".to_vec()).encode();
        liar.report(&lease, output, 5_000).await;
    }
    assert_eq!(ended(&consumer, job.id).await.cost.spent, Credits::ZERO, "nobody was right");
    let machine = until("a quarantine", async || {
        let machine = luis.client.agents().await.unwrap().remove(0);
        machine.quarantined_until.is_some().then_some(machine)
    })
    .await;
    let words: Vec<&str> = machine.marks.iter().map(|mark| mark.word.as_str()).collect();
    assert_eq!(words, ["wrong", "wrong"]);
    let next = submit(&consumer, &request(&consumer, echo(), range(1, 1)).await).await.unwrap();
    until("words about it", async || {
        let waiting = consumer.client.job(next.id).await.unwrap().waiting;
        waiting.filter(|words| words.contains("1 quarantined"))
    })
    .await;
    let admin = house.person_with_role("ada", "admin").await;
    let path = format!("{}/v1/admin/agents/{}/reinstate", house.url, machine.id);
    let pardon = house.http().post(&path).bearer_auth(&admin.token);
    let answer = pardon.header("Idempotency-Key", operation_id().to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let (lease, _) = liar.lease().await;
    assert_eq!(lease.job, next.id.to_string());
    let output = Bundle::of_stdout(b"0 1\n".to_vec()).encode();
    liar.report(&lease, output, 5_000).await;
    let machine = &luis.client.agents().await.unwrap()[0];
    assert_eq!(machine.quarantined_until, None);
    assert_eq!(machine.marks[0].word, "reinstated");
}
