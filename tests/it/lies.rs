//! Agents that lie or vanish: the honest ones are paid, the result is right, and the job goes on.

use medusa_api::{JobState, Verdict};
use medusa_types::{Bundle, Credits};

use crate::harness::{
    House, ScriptedAgent, add_up, chunks, echo, ended, range, request, settlements, submit,
};

const LINES: &[u8] = b"0 1\n1 1\n2 1\n3 1\n4 1\n5 1\n";

#[tokio::test]
async fn a_liar_is_not_paid_and_the_honest_agent_is() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (honest, liar) = (house.person("lena").await, house.person("luis").await);
    let _agent = house.agent(&honest).await;
    let key = house.enrol(&liar, "nest").await;
    let mut lies = ScriptedAgent::connect(&house, &key, 2).await;
    let request = request(&consumer, echo(), range(6, 2)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let lie = async {
        loop {
            let (lease, _) = lies.lease().await;
            // Half of the lies are about the result, the others about the work it took.
            let (text, fuel) = match lease.chunk % 2 {
                0 => ("nothing to see\n".to_owned(), 5_000),
                _ => (format!("{} 1\n", lease.chunk), 199_000_000),
            };
            let output = Bundle::of_stdout(text.into_bytes()).encode();
            lies.report(&lease, output, fuel).await;
        }
    };
    let job = tokio::select! {
        job = ended(&consumer, job.id) => job,
        () = lie => unreachable!("it lies as long as it is asked"),
    };
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    let result = consumer.client.result(&job, "out.txt").await.unwrap();
    assert_eq!(result.as_deref(), Some(LINES));
    for chunk in chunks(&consumer, job.id).await {
        assert_eq!(chunk.verdict, Some(Verdict::Refereed), "chunk {}", chunk.index);
    }
    assert_eq!(settlements(&house, job.id).await, [1; 6]);
    let wallet = liar.client.wallet().await.unwrap();
    assert_eq!((wallet.earned_pending, wallet.earned), (Credits::ZERO, Credits::ZERO));
    let machine = &liar.client.agents().await.unwrap()[0];
    assert_eq!((machine.streak, machine.score), (0, 0));
    assert!(machine.quarantined_until.is_some(), "two lies are enough");
    assert!(machine.marks.iter().any(|mark| mark.word == "wrong" && mark.job == Some(job.id)));
    assert_eq!(honest.client.agents().await.unwrap()[0].chunks, 6);
    add_up(&house, &consumer, &[&honest, &liar], &[job.id]).await;
}

#[tokio::test]
async fn leases_of_an_agent_that_vanishes_are_given_to_others() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders =
        [house.person("lena").await, house.person("luis").await, house.person("lotte").await];
    let key = house.enrol(&lenders[2], "ghost").await;
    let mut ghost = ScriptedAgent::connect(&house, &key, 4).await;
    let request = request(&consumer, echo(), range(6, 2)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(ghost.lease().await.0.chunk);
    }
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 4, "each chunk once");
    drop(ghost);
    let _agents = [house.agent(&lenders[0]).await, house.agent(&lenders[1]).await];
    let job = ended(&consumer, job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
    assert_eq!(job.counts.verified, 6, "two others were there for each");
    let result = consumer.client.result(&job, "out.txt").await.unwrap();
    assert_eq!(result.as_deref(), Some(LINES));
    assert_eq!(lenders[2].client.wallet().await.unwrap().earned_pending, Credits::ZERO);
    let [lena, luis, lotte] = &lenders;
    add_up(&house, &consumer, &[lena, luis, lotte], &[job.id]).await;
}

#[tokio::test]
async fn a_report_of_another_agents_lease_or_of_a_lease_that_has_ended_changes_nothing() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let (lena, luis) = (house.person("lena").await, house.person("luis").await);
    let (one, two) = (house.enrol(&lena, "one").await, house.enrol(&luis, "two").await);
    let mut one = ScriptedAgent::connect(&house, &one, 1).await;
    let mut two = ScriptedAgent::connect(&house, &two, 1).await;
    let request = request(&consumer, echo(), range(1, 2)).await;
    let job = submit(&consumer, &request).await.unwrap();
    let (mine, _) = one.lease().await;
    let (theirs, _) = two.lease().await;
    let lie = Bundle::of_stdout(b"a lie\n".to_vec()).encode();
    let truth = Bundle::of_stdout(b"0 1\n".to_vec()).encode();
    // In the name of the other, so that two copies of the lie would agree.
    one.report(&theirs, lie.clone(), 7_000).await;
    one.report(&mine, truth.clone(), 7_000).await;
    two.report(&theirs, truth, 7_000).await;
    let job = ended(&consumer, job.id).await;
    assert_eq!((job.state, job.counts.verified), (JobState::Done, 1), "{:?}", job.reason);
    // Again, and otherwise, after the end.
    two.report(&theirs, lie.clone(), 9_000).await;
    one.report(&mine, lie, 9_000).await;
    let again = crate::harness::request(&consumer, echo(), range(1, 1)).await;
    let next = submit(&consumer, &again).await.unwrap();
    let (lease, _) = tokio::select! { lease = one.lease() => lease, lease = two.lease() => lease };
    assert_eq!(lease.job, next.id.to_string());
    assert_eq!(settlements(&house, job.id).await, [1]);
    let result = consumer.client.result(&job, "out.txt").await.unwrap();
    assert_eq!(result.as_deref(), Some(b"0 1\n".as_slice()));
}
