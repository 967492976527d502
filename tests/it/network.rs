//! Agents and a server with a bad network between them: the job ends well, every result counts
//! once, and what a short outage interrupts is not lost.

use std::time::Duration;

use medusa_api::{Attempt, ChunkRun};
use medusa_testkit::{End, Proxy, Way};
use medusa_types::{JobId, Outcome};

use crate::harness::{
    Folder, House, Person, broken_invariants, chunks, ended, range, request, slow_echo, submit,
};

const CHUNKS: u32 = 12;
/// Between the faults of one network.
const PAUSE: Duration = Duration::from_millis(700);

/// One fault of an endless row of them, all of them shorter than the grace.
async fn disturb(proxy: &Proxy, turn: usize) {
    let silent = Way { is_silent: true, ..Way::default() };
    match turn % 5 {
        0 => proxy.end(End::Reset),
        1 => {
            let delay = Duration::from_millis(200);
            proxy.set_both(Way { delay, bytes_per_second: Some(100_000), ..Way::default() });
        }
        2 => proxy.end(End::Close),
        3 => proxy.set_both(silent),
        // The old connections stand still while the agent makes a new one; then what they hold
        // arrives late.
        _ => {
            proxy.hold();
            tokio::time::sleep(PAUSE).await;
            proxy.release();
        }
    }
    tokio::time::sleep(PAUSE).await;
    proxy.set_both(Way::default());
}

async fn attempts(house: &House, who: &Person, job: JobId, chunk: u32) -> Vec<Attempt> {
    let url = format!("{}/v1/jobs/{job}/chunks/{chunk}/run", house.url);
    let answer = house.http().get(url).bearer_auth(&who.token).send().await.unwrap();
    answer.json::<ChunkRun>().await.unwrap().attempts
}

#[tokio::test]
async fn a_job_comes_through_networks_that_fail_again_and_again() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let server = house.address().parse().unwrap();
    let proxies = [Proxy::start(server).await.unwrap(), Proxy::start(server).await.unwrap()];
    let mut agents = Vec::new();
    for (lender, proxy) in lenders.iter().zip(&proxies) {
        agents.push(house.agent_by(lender, Folder::new(), &proxy.url()).await);
    }
    let asked = request(&consumer, slow_echo(300), range(CHUNKS.into(), 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let faults = std::cell::Cell::new(0_usize);
    let weather = async {
        for turn in 0.. {
            for (place, proxy) in proxies.iter().enumerate() {
                disturb(proxy, turn + place).await;
                faults.set(faults.get() + 1);
            }
        }
    };
    let job = tokio::select! {
        job = ended(&consumer, job.id) => job,
        () = weather => unreachable!("the weather has no end"),
    };
    assert_eq!(job.state, medusa_api::JobState::Done, "{:?}", job.reason);
    assert!(faults.get() >= 5, "only {} faults", faults.get());

    let mut lost = 0;
    for chunk in chunks(&consumer, job.id).await {
        let attempts = attempts(&house, &consumer, job.id, chunk.index.0).await;
        let (told, untold): (Vec<_>, Vec<_>) = attempts.iter().partition(|a| a.outcome.is_some());
        // The server checks a copy itself whose second machine stays away for long.
        assert!((1..=2).contains(&told.len()), "chunk {}: {attempts:?}", chunk.index);
        assert!(told.iter().all(|a| a.outcome == Some(Outcome::Done)), "{attempts:?}");
        assert!(told.iter().all(|a| a.paid.is_some() && a.verified_position.is_some()));
        lost += untold.len();
    }
    // Only what was on its way to an agent in a moment of a cut may be lost, and never what is
    // computed: an agent has at most two leases a slot.
    assert!(lost <= 2 * faults.get(), "{lost} lost in {} faults", faults.get());
    println!("{} faults, {lost} leases lost on their way", faults.get());
    let mut marks = 0;
    for lender in &lenders {
        for machine in lender.client.agents().await.unwrap() {
            assert!(machine.marks.iter().all(|mark| mark.word == "lost"), "{machine:?}");
            assert_eq!(machine.score, machine.streak, "nothing was held against it: {machine:?}");
            marks += machine.marks.len();
        }
    }
    assert!(marks <= lost, "{marks} marks for {lost} leases");
    for agent in &mut agents {
        agent.process().must_live();
    }
    assert_eq!(broken_invariants(&house).await, [""; 0]);
}
