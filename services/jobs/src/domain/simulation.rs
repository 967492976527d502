//! A market in which three of ten agents lie, played over the real decisions with a seed: which
//! wrong results are believed, what is paid, and what the checks cost. `docs/trust.md` has the
//! formula that the counts are compared with.

use std::collections::{BTreeMap, BTreeSet};

use medusa_events::Fact;
use medusa_types::{
    AgentId, Credits, Fuel, JobId, LeaseId, Outcome, Sha256Hash, Timestamp, UserId, Uuid,
};

use super::{
    Copies, Fleet, Job, Prices, Refereed, Standing, Submitted, TrustRules, Worker, draw, marks,
};

/// Each is another market.
const SEEDS: [u64; 3] = [1, 2, 3];
const JOBS: u32 = 40;
const CHUNKS: u32 = 500;
const AGENTS: u64 = 100;
const IN_FLIGHT: usize = 60;
const FUEL: Fuel = Fuel(500_000_000);
/// Each chunk takes about so long.
const STEP_MS: i64 = 500;

/// How an agent behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Honest,
    /// Always reports something made up.
    Wrong,
    /// Reports nothing worth computing, half of the time: all of them the same.
    Lazy,
    /// Computes well, and asks for more fuel than it took.
    Inflating,
    /// Reports the result of another chunk that it got from somebody.
    Copying,
    /// Two owners who make up the same.
    Pair(u64),
    /// Was honest until it was trusted as far as anybody is; then it lies once in ten.
    Patient,
}

const fn kind(agent: u64) -> Kind {
    match agent {
        0..5 => Kind::Wrong,
        5..10 => Kind::Lazy,
        10..15 => Kind::Inflating,
        15..20 => Kind::Copying,
        20..26 => Kind::Pair(agent >> 1),
        26..30 => Kind::Patient,
        _ => Kind::Honest,
    }
}

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }
}

fn hash(text: &str) -> Sha256Hash {
    Sha256Hash::of(text.as_bytes())
}

fn truth(job: u32, chunk: u32) -> (Sha256Hash, Fuel) {
    (hash(&format!("{job}/{chunk}")), FUEL)
}

/// What was counted.
#[derive(Debug, Default)]
struct Tally {
    chunks: u32,
    /// Wrong results that were believed, by verdict and kind of agent.
    wrong: BTreeMap<(String, Kind), u32>,
    /// Paid, though neither a second agent, nor the server, nor a record that covers it stood by.
    unverified: u32,
    /// Chunks whose first copy went to an honest agent at the floor of checks.
    seasoned: u32,
    /// Second copies and own runs for them.
    surcharge: u32,
    referee: u32,
    quarantined: BTreeSet<u64>,
    blamed: u32,
}

struct Market {
    dice: Dice,
    rules: TrustRules,
    now: Timestamp,
    standings: BTreeMap<AgentId, Standing>,
    /// Live leases: agent, chunk, what they put at risk.
    live: BTreeMap<LeaseId, (u64, u32, Credits)>,
    agents_of: BTreeMap<LeaseId, AgentId>,
    drawn: BTreeMap<u32, Copies>,
    seasoned: BTreeSet<u32>,
    /// Agents that are quarantined, and who is there beside them.
    out: BTreeSet<u64>,
    fleet: Fleet,
    ids: u128,
    tally: Tally,
}

fn agent_id(agent: u64) -> AgentId {
    AgentId(Uuid::from_u128(u128::from(agent)))
}

fn owner(agent: u64) -> UserId {
    UserId(Uuid::from_u128(1_000 + u128::from(agent)))
}

impl Market {
    fn standing(&self, agent: u64) -> Standing {
        self.standings.get(&agent_id(agent)).copied().unwrap_or_default()
    }

    fn worker(&self, agent: u64) -> Worker {
        let held = self.live.values().filter(|(who, ..)| *who == agent);
        Worker {
            agent: agent_id(agent),
            lender: owner(agent),
            memory_bytes: u64::MAX,
            standing: self.standing(agent),
            exposed: held.map(|(_, _, risk)| *risk).fold(Credits::ZERO, Credits::saturating_add),
            stays: false,
        }
    }

    /// What an agent says about a chunk.
    fn says(&mut self, agent: u64, job: u32, chunk: u32) -> (Sha256Hash, Fuel) {
        let (right, fuel) = truth(job, chunk);
        let made_up = hash(&format!("{agent}: {job}/{chunk}"));
        match kind(agent) {
            Kind::Honest => (right, fuel),
            Kind::Wrong => (made_up, fuel),
            Kind::Lazy if self.dice.below(2) == 0 => (hash("nothing"), fuel),
            Kind::Inflating => (right, Fuel(fuel.0 + (fuel.0 >> 1))),
            Kind::Copying => (truth(job, chunk.wrapping_add(1)).0, fuel),
            Kind::Pair(pair) => (hash(&format!("pair {pair}: {job}/{chunk}")), fuel),
            Kind::Patient if self.standing(agent).streak >= 50 && self.dice.below(10) == 0 => {
                (made_up, fuel)
            }
            Kind::Lazy | Kind::Patient => (right, fuel),
        }
    }

    fn take(&mut self, job: u32, facts: &[Fact]) {
        for fact in facts {
            match fact {
                Fact::ChunkLeased { lease, agent, .. } => {
                    self.agents_of.insert(*lease, *agent);
                }
                Fact::CopiesDrawn { chunk, streak, stake, draw: number, copies, .. } => {
                    // What is in the log is enough to decide the same again.
                    let again = Standing { streak: *streak, stake: *stake, ..Standing::default() };
                    let price = prices().copy_max(limit());
                    let again = draw(&again, (price, Credits::ZERO), *number, &self.rules);
                    assert_eq!(again.unwrap().copies.word(), copies);
                    self.drawn.insert(chunk.0, Copies::of_word(copies));
                }
                Fact::LeaseEnded { lease, .. } => {
                    self.live.remove(lease);
                }
                Fact::ChunkVerified { chunk, verdict, output, fuel, right, wrong, .. } => {
                    let known = |lease: &LeaseId| self.agents_of[lease].0.as_u128();
                    let first = right.first().map(known).unwrap_or_default();
                    let who = kind(u64::try_from(first).unwrap());
                    if (*output, *fuel) != truth(job, chunk.0) {
                        *self.tally.wrong.entry((verdict.clone(), who)).or_default() += 1;
                    }
                    let blamed = |lease: &&LeaseId| {
                        kind(u64::try_from(known(lease)).unwrap()) == Kind::Honest
                    };
                    self.tally.blamed +=
                        u32::try_from(wrong.iter().filter(blamed).count()).unwrap();
                    let stands = match verdict.as_str() {
                        "agreed" => right.len() >= 2,
                        "refereed" => true,
                        "trusted" => self.drawn.get(&chunk.0) == Some(&Copies::Single),
                        _ => false,
                    };
                    self.tally.unverified += u32::from(!stands);
                }
                _ => {}
            }
            for (agent, mark) in marks(fact, |lease| self.agents_of.get(&lease).copied()) {
                self.standings.entry(agent).or_default().apply(mark, self.now);
            }
        }
    }

    fn play(&mut self, number: u32) {
        let mut job = Job::begin(&submitted(number).fact()).unwrap();
        job.decide_by(self.rules, 0, false);
        (self.drawn, self.seasoned) = (BTreeMap::new(), BTreeSet::new());
        while !job.complete() {
            self.now = self.now.plus_ms(STEP_MS);
            self.hand_out(number, &mut job);
            let leases: Vec<LeaseId> = self.live.keys().copied().collect();
            let lease = leases[self.dice.below(leases.len())];
            let (agent, chunk, _) = self.live.remove(&lease).unwrap();
            let (output, fuel) = self.says(agent, number, chunk);
            let facts = job.report(lease, (Outcome::Done, output, 1, fuel), &self.fleet);
            self.take(number, &facts);
            if job.needs_referee(chunk, &self.fleet) {
                let (output, fuel) = truth(number, chunk);
                let own = Refereed { outcome: Outcome::Done, output, output_bytes: 1, fuel };
                let facts = job.refereed(chunk, own);
                self.take(number, &facts);
                self.tally.referee += 1;
                self.tally.surcharge += u32::from(self.seasoned.contains(&chunk));
            }
            self.cut_off(number, &mut job);
        }
        self.live.clear();
    }

    /// Gives leases to agents in random order, as long as somebody takes one.
    fn hand_out(&mut self, number: u32, job: &mut Job) {
        let mut missed = 0;
        while self.live.len() < IN_FLIGHT && missed < 20 {
            let agent = u64::try_from(self.dice.below(usize::try_from(AGENTS).unwrap())).unwrap();
            let dice = u32::try_from(self.dice.next() >> 32).unwrap();
            self.ids += 1;
            let id = LeaseId(Uuid::from_u128(self.ids));
            let full = self.live.values().filter(|(who, ..)| *who == agent).count() >= 4;
            let facts = if full || self.out.contains(&agent) {
                Vec::new()
            } else {
                job.lease(self.worker(agent), &self.fleet, id, dice, self.now)
            };
            let Some(Fact::ChunkLeased { chunk, epoch, .. }) = facts.first() else {
                missed += 1;
                continue;
            };
            // Its record is as good as it can get: it was asked, and at the floor of checks.
            let floor = self.rules.check_floor_ppm;
            let at_floor = matches!(facts.last(),
                Some(Fact::CopiesDrawn { check_ppm, .. }) if *check_ppm == floor);
            if *epoch == 1 && at_floor && kind(agent) == Kind::Honest {
                self.seasoned.insert(chunk.0);
                self.tally.seasoned += 1;
            } else if self.seasoned.contains(&chunk.0) {
                self.tally.surcharge += 1;
            }
            self.live.insert(id, (agent, chunk.0, job.at_risk(id)));
            self.take(number, &facts);
        }
    }

    fn cut_off(&mut self, number: u32, job: &mut Job) {
        let out = |(agent, standing): (&AgentId, &Standing)| {
            let out = standing.quarantined(&self.rules, self.now).is_some();
            out.then(|| u64::try_from(agent.0.as_u128()).unwrap())
        };
        let out: BTreeSet<u64> = self.standings.iter().filter_map(out).collect();
        if out == self.out {
            return;
        }
        let there = (0..AGENTS).filter(|agent| !out.contains(agent));
        self.fleet.owners = there.map(|agent| (owner(agent), u64::MAX)).collect();
        self.out = out;
        self.tally.quarantined.extend(&self.out);
        let gone = |(id, (who, ..)): (&LeaseId, &(u64, u32, Credits))| {
            self.out.contains(who).then_some(*id)
        };
        let gone: Vec<LeaseId> = self.live.iter().filter_map(gone).collect();
        let facts = job.lose(&gone, "lost", &self.fleet);
        self.take(number, &facts);
    }
}

fn prices() -> Prices {
    Prices {
        per_gfuel: Credits::from_micros(100),
        per_start: Credits::from_micros(10),
        fee_permille: 150,
        ..Prices::default()
    }
}

const fn limit() -> Fuel {
    Fuel(FUEL.0 * 2)
}

fn submitted(number: u32) -> Submitted {
    let digest = Sha256Hash([0; 32]);
    Submitted {
        id: JobId(Uuid::from_u128(u128::from(number))),
        owner: UserId(Uuid::from_u128(7)),
        program: digest,
        input: None,
        spec: digest,
        plan: digest,
        chunks: CHUNKS,
        copies: 1,
        fuel_limit: limit(),
        hold: Credits::from_micros(1_000_000),
        prices: prices(),
        merge: None,
    }
}

fn market(seed: u64) -> Tally {
    let mut market = Market {
        dice: Dice(seed),
        rules: TrustRules::default(),
        now: Timestamp::from_micros(0),
        standings: BTreeMap::new(),
        live: BTreeMap::new(),
        agents_of: BTreeMap::new(),
        drawn: BTreeMap::new(),
        seasoned: BTreeSet::new(),
        out: BTreeSet::new(),
        fleet: Fleet {
            owners: (0..AGENTS).map(|agent| (owner(agent), u64::MAX)).collect(),
            ..Fleet::default()
        },
        ids: 0,
        tally: Tally::default(),
    };
    // Half of the honest ones, and those who were only patient, come with a record.
    let record = Standing {
        streak: 60,
        score: 60,
        stake: Credits::from_micros(20_000),
        ..Standing::default()
    };
    market.standings = (26..65).map(|agent| (agent_id(agent), record)).collect();
    for number in 0..JOBS {
        market.play(number);
        market.tally.chunks += CHUNKS;
    }
    market.tally
}

#[test]
fn of_a_market_with_three_liars_in_ten_only_what_the_rules_allow_is_believed() {
    for seed in SEEDS {
        let tally = market(seed);
        println!("seed {seed}: {tally:?}");
        assert_eq!((tally.chunks, tally.unverified, tally.blamed), (20_000, 0, 0), "seed {seed}");
        for (verdict, who) in tally.wrong.keys() {
            let allowed = matches!(
                (verdict.as_str(), who),
                ("agreed", Kind::Pair(_) | Kind::Lazy | Kind::Copying) | ("trusted", Kind::Patient)
            );
            assert!(allowed, "seed {seed}: {who:?} was believed: {tally:?}");
        }
        let of = |verdict: &str| -> u32 {
            tally.wrong.iter().filter(|((v, _), _)| v == verdict).map(|(_, n)| n).sum()
        };
        // Two strikes, each after (1 - c) / c lies with c = 2 % + 1 %, for each of four agents; and
        // three standard deviations of that sum.
        assert!(of("trusted") <= 4 * 65 + 3 * 92, "seed {seed}: {tally:?}");
        // Two strikes and three more leases that were under way, for ten who each find one of four
        // that tell the same lie, and six who find one; and three standard deviations.
        assert!(of("agreed") <= 3 + 5, "seed {seed}: {tally:?}");
        let overhead = (tally.surcharge * 1_000).div_ceil(tally.seasoned.max(1));
        assert!(tally.seasoned > 5_000 && overhead < 50, "seed {seed}: {overhead} of 1,000");
    }
}
