//! What was acknowledged survives: people order at a real server without a pause and keep a journal
//! of the answers, while at random moments the server, or all of Postgres, or both are ended with
//! SIGKILL and started again. After each kill the journal is compared with the log.
//!
//! Five kills, or as many as `MEDUSA_CRASH_CYCLES` says; `MEDUSA_CRASH_SEED` repeats a run's
//! choices, which are printed. The long run, without the time limit of the test runner:
//!
//! ```sh
//! MEDUSA_CRASH_CYCLES=50 cargo test -p medusa-tests --test it crash:: -- --nocapture
//! ```

use std::time::{Duration, Instant};

use crate::harness::{Cluster, Dice, House, Journal, Load, outage, until};

const CYCLES: u64 = 5;
const CLIENTS: u64 = 16;
const CONSUMERS: usize = 8;
/// Orders that must be acknowledged before a kill, and again after it.
const AROUND: u64 = 30;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?.into_string().unwrap();
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// What a cycle ends with SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Server,
    Postgres,
    Both,
}

impl Victim {
    /// The one of this number; in three cycles each has its turn.
    fn of(number: u64) -> Self {
        [Self::Server, Self::Postgres, Self::Both][usize::try_from(number % 3).unwrap()]
    }

    async fn kill_and_restart(self, house: &mut House, cluster: &mut Cluster) {
        if self != Self::Postgres {
            house.kill9();
        }
        if self != Self::Server {
            cluster.kill9();
            cluster.restart();
        }
        if self != Self::Postgres {
            house.restart().await;
        }
    }
}

/// So many more acknowledgements. A server that has ended by itself will not give them.
async fn more(house: &mut House, load: &Load, orders: u64) {
    let wanted = load.done() + orders;
    until("acknowledged orders", async || {
        house.server().must_live();
        (load.done() >= wanted).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_and_nothing_else_appears() {
    let seed = setting("MEDUSA_CRASH_SEED").unwrap_or_else(Dice::any_seed);
    let cycles = setting("MEDUSA_CRASH_CYCLES").unwrap_or(CYCLES);
    eprintln!("MEDUSA_CRASH_SEED={seed} MEDUSA_CRASH_CYCLES={cycles}");
    let mut dice = Dice::of(seed);
    let first = dice.below(3);
    let mut cluster = Cluster::start();
    let mut house = House::open_on(&cluster).await;
    let mut cast = house.cast(CONSUMERS).await;
    let mut journal = Journal::begin(&house).await;
    let (mut outages, mut up) = (Vec::new(), Duration::ZERO);
    for cycle in 1..=cycles {
        cast.renew(&house).await;
        let desk = cast.desk(&house.url);
        let (began, victim) = (Instant::now(), Victim::of(first + cycle));
        let load = Load::start(std::slice::from_ref(&desk), &cast.accounts, CLIENTS, dice.throw());
        more(&mut house, &load, AROUND).await;
        tokio::time::sleep(dice.pause(0, 800)).await;
        let kill = Instant::now();
        victim.kill_and_restart(&mut house, &mut cluster).await;
        let back = kill.elapsed();
        more(&mut house, &load, AROUND).await;
        let entries = load.end().await;
        let gap = outage(&entries);
        up += began.elapsed() - gap;
        eprintln!(
            "cycle {cycle}: {victim:?}, started again after {back:?}, {} orders, {gap:?} without \
             an acknowledgement",
            entries.len(),
        );
        outages.push(gap);
        journal.compare(&house, &desk, entries).await;
    }
    outages.sort_unstable();
    let (done, refused) = journal.counts();
    eprintln!(
        "{cycles} kills: {done} orders acknowledged and each in the log once, {refused} refused \
         and none of them in it, {} unknown of which {} had been done; {:.0} acknowledgements a \
         second between the outages; without one for {:?} (median), {:?} (most)",
        journal.unknown,
        journal.found,
        f64::from(u32::try_from(done).unwrap()) / up.as_secs_f64(),
        outages[outages.len().div_ceil(2) - 1],
        outages[outages.len() - 1],
    );
}
