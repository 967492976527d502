//! Agents and a server with a bad network between them: the job ends well, every result counts
//! once, and what a short outage interrupts is not lost.

use std::time::Duration;

use medusa_api::{Attempt, ChunkRun};
use medusa_testkit::{End, Proxy, Side, Way};
use medusa_types::{JobId, Outcome};

use crate::harness::{
    Folder, House, Person, broken_invariants, chunks, ended, guest, range, request, slow_echo,
    submit, until,
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

/// Bytes of one large output.
const LARGE: u64 = 96 * 65_536;

/// Writes all of its memory, which is 64 KiB, again and again.
fn large_output() -> Vec<u8> {
    guest(
        r#"(func (export "_start") (local $i i32)
            (local.set $i (i32.const 96))
            (loop $more
                (call $write (i32.const 1) (i32.const 0) (i32.const 65536))
                (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                (br_if $more (local.get $i))))"#,
    )
}

/// Parts of uploads that the server keeps.
fn parts(house: &House) -> usize {
    house.stored_files().iter().filter(|file| file.contains("/part/")).count()
}

#[tokio::test]
async fn a_large_output_goes_on_where_its_line_was_cut() {
    let house = House::open().await;
    let consumer = house.person("carla").await;
    let lenders = [house.person("lena").await, house.person("luis").await];
    let server = house.address().parse().unwrap();
    let proxies = [Proxy::start(server).await.unwrap(), Proxy::start(server).await.unwrap()];
    let mut agents = Vec::new();
    for (lender, proxy) in lenders.iter().zip(&proxies) {
        agents.push(house.agent_by(lender, Folder::new(), &proxy.url()).await);
        // Whoever sends all of it at once never comes through.
        proxy.set(Side::Up, Way { cut_after: Some(2_500_000), ..Way::default() });
    }
    let before: u64 = proxies.iter().map(|proxy| proxy.passed(Side::Up)).sum();
    let asked = request(&consumer, large_output(), range(1, 2)).await;
    let job = submit(&consumer, &asked).await.unwrap();
    let job = ended(&consumer, job.id).await;
    assert_eq!(job.state, medusa_api::JobState::Done, "{:?}", job.reason);
    let result = consumer.client.result(&job, "out.txt").await.unwrap().unwrap();
    assert_eq!(result.len(), usize::try_from(LARGE).unwrap());
    let sent = proxies.iter().map(|proxy| proxy.passed(Side::Up)).sum::<u64>() - before;
    let attempts = attempts(&house, &consumer, job.id, 0).await;
    assert!(attempts.iter().all(|a| a.outcome == Some(Outcome::Done)), "{attempts:?}");
    let all = LARGE * u64::try_from(attempts.len()).unwrap();
    assert!((all..2 * all).contains(&sent), "{sent} bytes were sent of {all}");
    until("an object store without parts", async || (parts(&house) == 0).then_some(())).await;
    drop(agents);
}

#[tokio::test]
async fn what_a_killed_agent_sent_is_dropped_when_nobody_goes_on() {
    let house = House::open().await;
    let (consumer, lender) = (house.person("carla").await, house.person("lena").await);
    let proxy = Proxy::start(house.address().parse().unwrap()).await.unwrap();
    let agent = house.agent_by(&lender, Folder::new(), &proxy.url()).await;
    proxy.set(Side::Up, Way { bytes_per_second: Some(1_000_000), ..Way::default() });
    let asked = request(&consumer, large_output(), range(1, 2)).await;
    submit(&consumer, &asked).await.unwrap();
    let begun = proxy.passed(Side::Up);
    until("an upload in its middle", async || {
        (proxy.passed(Side::Up) > begun + 1_000_000).then_some(())
    })
    .await;
    agent.kill9();
    let kept = until("what came of a part", async || {
        let received = "select received from upload where lease_id is not null and received > 0";
        sqlx::query_scalar::<_, i64>(received).fetch_optional(&house.db.pool).await.unwrap()
    })
    .await;
    assert!((64 * 1024..i64::try_from(LARGE).unwrap()).contains(&kept), "{kept}");
    // A day later.
    sqlx::query("update upload set touched_at = touched_at - interval '25 hours'")
        .execute(&house.db.pool)
        .await
        .unwrap();
    until("an object store without parts", async || (parts(&house) == 0).then_some(())).await;
    let left: i64 =
        sqlx::query_scalar("select count(*) from upload").fetch_one(&house.db.pool).await.unwrap();
    assert_eq!(left, 0);
}
