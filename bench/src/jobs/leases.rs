//! How many leases the scheduler gives a second, alone: its real decisions (the hall, and jobs
//! with their verdicts) with 10,000 agents and the jobs of 101 consumers, without log and network.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, ensure};
use medusa_events::Fact;
use medusa_jobs::domain::{
    Answer, Fleet, Hall, Job, Offer, Prices, Standing, Submitted, TrustRules, Worker,
};
use medusa_types::{
    AgentId, Credits, Fuel, JobId, LeaseId, Outcome, Sha256Hash, Timestamp, UserId, Uuid,
};

use crate::figure;

const AGENTS: u32 = 10_000;
const SLOTS: u32 = 2;
/// One consumer has one job of so many chunks,
const LARGE: u32 = 1_000_000;
/// and so many others have one of so many.
const SMALL_JOBS: usize = 100;
const SMALL: u32 = 5_000;
const WINDOWS: usize = 7;
const LEASES_OF_WINDOW: u32 = 100_000;
const FUEL: Fuel = Fuel(500_000_000);
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// splitmix64.
struct Dice(u64);

impl Dice {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn id(kind: u64, n: u32) -> Uuid {
    Uuid::from_u64_pair(kind, u64::from(n))
}

fn submitted(n: u32, chunks: u32) -> Submitted {
    let digest = Sha256Hash::of(&n.to_le_bytes());
    Submitted {
        id: JobId(id(1, n)),
        owner: UserId(id(2, n)),
        program: digest,
        input: None,
        spec: digest,
        plan: digest,
        chunks,
        copies: 1,
        fuel_limit: Fuel(1_000_000_000),
        hold: Credits::from_micros(1_000_000_000_000),
        prices: Prices {
            per_gfuel: Credits::from_micros(100),
            per_start: Credits::from_micros(10),
            fee_permille: 150,
            ..Prices::default()
        },
        merge: None,
    }
}

/// Half of the agents have a record, so that most of their chunks need one copy.
fn worker(n: u32) -> Worker {
    let seasoned = Standing {
        streak: 500,
        score: 500,
        stake: Credits::from_micros(1_000_000),
        allowance: 1_000,
        ..Standing::default()
    };
    Worker {
        agent: AgentId(id(3, n)),
        lender: UserId(id(4, n)),
        memory_bytes: 4 << 30,
        standing: if n & 1 == 0 { seasoned } else { Standing::default() },
        exposed: Credits::ZERO,
        stays: true,
    }
}

struct House {
    hall: Hall,
    jobs: BTreeMap<JobId, Job>,
    fleet: Fleet,
    dice: Dice,
    /// Who runs what.
    live: Vec<(AgentId, JobId, LeaseId)>,
    given: u32,
    verified: u32,
}

impl House {
    fn open() -> Result<Self> {
        let mut hall = Hall::new(TrustRules::default());
        (0..AGENTS).for_each(|n| hall.enter(worker(n), SLOTS, false, NOW));
        let fleet = Fleet { owners: hall.owners(NOW), ..Fleet::default() };
        let mut jobs = BTreeMap::new();
        for (n, chunks) in std::iter::once(LARGE).chain([SMALL; SMALL_JOBS]).enumerate() {
            let submitted = submitted(u32::try_from(n)?, chunks);
            let job = Job::begin(&submitted.fact()).ok_or_else(|| anyhow::anyhow!("no job"))?;
            hall.offer(offer(&job));
            jobs.insert(submitted.id, job);
        }
        let (dice, live) = (Dice(7), Vec::new());
        Ok(Self { hall, jobs, fleet, dice, live, given: 0, verified: 0 })
    }

    /// Gives every agent what it has room for.
    fn hand_out(&mut self) {
        while let Some(ask) = self.hall.next_ask(NOW) {
            let Some(job) = self.jobs.get_mut(&ask.job) else { return };
            let (number, dice) = (self.dice.next(), self.dice.next());
            let lease = LeaseId(Uuid::from_u64_pair(number, dice));
            let facts = job.lease(
                ask.worker,
                &self.fleet,
                lease,
                u32::try_from(dice >> 32).unwrap_or_default(),
                NOW,
            );
            let answer = if facts.is_empty() {
                if job.has_work() { Answer::NotForThis } else { Answer::Nothing }
            } else {
                self.given = self.given.saturating_add(1);
                self.live.push((ask.worker.agent, ask.job, lease));
                Answer::Lease(lease, job.at_risk(lease))
            };
            self.hall.answer(&ask, answer, NOW);
        }
    }

    /// Somebody finishes something.
    fn finish_one(&mut self) -> Result<()> {
        let at = usize::try_from(self.dice.next())?.checked_rem(self.live.len());
        let (agent, id, lease) = self.live.swap_remove(at.unwrap_or_default());
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        let result = (Outcome::Done, Sha256Hash([5; 32]), 100, FUEL);
        let facts = job.report(lease, result, &self.fleet);
        for fact in &facts {
            self.verified += u32::from(matches!(fact, Fact::ChunkVerified { .. }));
        }
        self.hall.free(agent, lease, NOW);
        for (agent, lease) in job.take_freed() {
            self.hall.free(agent, lease, NOW);
        }
        if job.has_work() {
            self.hall.offer(offer(job));
        }
        Ok(())
    }
}

fn offer(job: &Job) -> Offer {
    let submitted = job.submitted();
    Offer {
        job: submitted.id,
        consumer: submitted.owner,
        weight: 1,
        program: submitted.program,
        program_bytes: 1 << 20,
        strict: false,
        stays: false,
        memory_bytes: 1 << 20,
    }
}

/// Prints `leases_per_s`.
pub(crate) fn measure() -> Result<()> {
    let mut house = House::open()?;
    house.hand_out();
    ensure!(house.live.len() > 20_000, "the agents are not busy: {}", house.live.len());
    let mut rates = Vec::with_capacity(WINDOWS);
    for _ in 0..WINDOWS {
        let (began, before) = (Instant::now(), house.given);
        while house.given.saturating_sub(before) < LEASES_OF_WINDOW && !house.live.is_empty() {
            house.finish_one()?;
            house.hand_out();
        }
        let given = house.given.saturating_sub(before);
        rates.push(figure::per_second_of(usize::try_from(given)?, began.elapsed()));
    }
    let shares = house.jobs.values().map(|job| job.leases().count());
    figure::say(&format!(
        "{} leases, {} chunks verified; live leases of a job: {:?} to {:?}",
        house.given,
        house.verified,
        shares.clone().min().unwrap_or_default(),
        shares.max().unwrap_or_default()
    ));
    figure::per_second("leases_per_s", figure::middle(&rates));
    Ok(())
}
