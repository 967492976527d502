//! Payments where memory and bytes have a price: reckoned again by hand and from the facts alone.

use std::collections::BTreeMap;

use medusa_types::{Credits, Fuel, LeaseId, Outcome, Sha256Hash, Uuid};

use super::*;
use crate::domain::job::tests::{ANN, BOB, NOW, fleet, kinds, submitted, worker};
use crate::domain::price::{Resources, Work, quote_price};
use crate::domain::submitted::{MergeTree, Submitted};
use crate::domain::verdict::Refereed;

const MIB: u64 = 1 << 20;
const FUEL: Fuel = Fuel(500_000_000);

/// Chunk `i` reads `i` MiB.
#[derive(Debug)]
struct Rising;

impl InputBytes for Rising {
    fn bytes_of_chunk(&self, chunk: u32) -> u64 {
        u64::from(chunk) * MIB
    }
}

const fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

/// 100 for a Gfuel and 20 more for its memory, 10 for a start, 1 for each MiB beyond the first.
fn priced(chunks: u32, merge: Option<MergeTree>) -> Submitted {
    let mut submitted = Submitted { merge, ..submitted(chunks, 2, 100_000) };
    submitted.prices.resources = Resources {
        memory_bytes: 512 * MIB,
        per_gfuel_gib: micros(40),
        per_gib: micros(1024),
        transfer_free: MIB,
        transfer_max: 9 * MIB,
    };
    submitted
}

/// The job at its beginning, and the facts of that.
fn begin(submitted: &Submitted) -> (Job, Vec<Fact>) {
    let mut facts = vec![submitted.fact()];
    facts.extend(submitted.merge_fact());
    facts.extend(submitted.resources_fact());
    let mut job = folded(&facts);
    job.measure_by(Arc::new(Rising));
    (job, facts)
}

fn folded(facts: &[Fact]) -> Job {
    let mut job = Job::begin(&facts[0]).unwrap();
    facts[1..].iter().for_each(|fact| job.apply(fact));
    job
}

/// Two owners compute the next chunk and give so many bytes each; the facts of the second report.
fn compute(job: &mut Job, ids: &mut u128, bytes: u64, all: &mut Vec<Fact>) -> Vec<Fact> {
    let both = fleet(&[ANN, BOB]);
    let leases: Vec<LeaseId> = [ANN, BOB]
        .into_iter()
        .map(|lender| {
            *ids += 1;
            let id = LeaseId(Uuid::from_u128(*ids));
            all.extend(job.lease(worker(lender), &both, id, 0, NOW));
            id
        })
        .collect();
    let mut last = Vec::new();
    for lease in leases {
        last = job.report(lease, (Outcome::Done, Sha256Hash([5; 32]), bytes, FUEL), &both);
        all.extend(last.iter().cloned());
    }
    last
}

/// What each copy was paid, by chunk, reckoned from the facts alone as the vocabulary says.
fn reckoned(facts: &[Fact]) -> BTreeMap<u32, (i64, i64)> {
    let (mut prices, mut memory, mut transfer) = ((0, 0), (0, 0), (0, 0, 0));
    let (mut moved, mut paid) = (BTreeMap::new(), BTreeMap::new());
    let units = |amount: &Credits| u128::try_from(amount.micros()).unwrap();
    for fact in facts {
        match fact {
            Fact::JobSubmitted { per_gfuel, per_start, .. } => {
                prices = (units(per_gfuel), units(per_start));
            }
            Fact::ResourcesPriced {
                memory_bytes,
                per_gfuel_gib,
                per_gib,
                transfer_free,
                transfer_max,
                ..
            } => {
                memory = (u128::from(*memory_bytes), units(per_gfuel_gib));
                transfer = (units(per_gib), *transfer_free, *transfer_max);
            }
            Fact::TransferCounted { chunk, input_bytes, output_bytes, .. } => {
                moved.insert(*chunk, input_bytes + output_bytes);
            }
            Fact::ChunkSettled { chunk, fuel, price, shares, .. } => {
                let gib = 1_u128 << 30;
                let rate = prices.0 * gib + memory.0 * memory.1;
                let work = (u128::from(fuel.0) * rate).div_ceil(1_000_000_000 * gib);
                let bytes = moved.get(chunk).copied().unwrap_or_default();
                let bytes = u128::from(bytes.min(transfer.2).saturating_sub(transfer.1));
                let copy = prices.1 + work + (bytes * transfer.0).div_ceil(gib);
                let sum = i64::try_from(copy).unwrap() * i64::try_from(shares.len()).unwrap();
                paid.insert(chunk.0, (sum, price.micros()));
            }
            _ => {}
        }
    }
    paid
}

#[test]
fn each_copy_is_paid_for_its_memory_and_its_bytes() {
    let (mut job, mut facts) = begin(&priced(3, None));
    let mut ids = 0;
    // Start, half a Gfuel with half a GiB; nothing moved beyond the first MiB.
    let first = compute(&mut job, &mut ids, MIB, &mut facts);
    assert_eq!(kinds(&first), ["attempt_reported", "chunk_verified", "chunk_settled"]);
    let second = compute(&mut job, &mut ids, 2 * MIB + 1, &mut facts);
    let counted = ["attempt_reported", "chunk_verified", "transfer_counted", "chunk_settled"];
    assert_eq!(kinds(&second), counted);
    let last = compute(&mut job, &mut ids, 70 * MIB, &mut facts);
    let Some(Fact::TransferCounted { input_bytes, output_bytes, .. }) = last.get(2) else {
        panic!("{last:?}");
    };
    assert_eq!((*input_bytes, *output_bytes), (2 * MIB, 70 * MIB), "what is so, charged or not");
    let paid: Vec<i64> = reckoned(&facts).values().map(|(_, price)| *price).collect();
    assert_eq!(paid, [2 * (10 + 60), 2 * (10 + 60 + 3), 2 * (10 + 60 + 8)]);
    assert!(reckoned(&facts).values().all(|(hand, price)| hand == price), "{facts:?}");
}

#[test]
fn a_node_is_paid_for_the_results_that_it_reads() {
    let merge = MergeTree { program: Sha256Hash([9; 32]), fan_in: 2, nodes: 3 };
    let (mut job, mut facts) = begin(&priced(6, Some(merge)));
    let mut ids = 0;
    for bytes in [MIB, 2, 3 * MIB, 5, 7, 11] {
        compute(&mut job, &mut ids, bytes, &mut facts);
    }
    assert!(job.complete());
    let counted = facts.iter().filter_map(|fact| match fact {
        Fact::TransferCounted { chunk, input_bytes, output_bytes, .. } => {
            Some((chunk.0, *input_bytes, *output_bytes))
        }
        _ => None,
    });
    assert_eq!(
        counted.collect::<Vec<_>>(),
        [
            (0, 0, MIB),
            (1, MIB, 2),
            (3, MIB + 2, 3 * MIB),
            (2, 2 * MIB, 5),
            (4, 5, 7),
            (5, 3 * MIB + 7, 11)
        ]
    );
    assert!(reckoned(&facts).values().all(|(hand, price)| hand == price), "{facts:?}");
    assert_eq!(reckoned(&facts).len(), 6);
}

#[test]
fn a_job_that_is_folded_again_goes_on_with_the_same_prices() {
    let merge = MergeTree { program: Sha256Hash([9; 32]), fan_in: 2, nodes: 1 };
    let (mut job, mut facts) = begin(&priced(3, Some(merge)));
    let mut ids = 0;
    for _ in 0..2 {
        compute(&mut job, &mut ids, 2 * MIB, &mut facts);
    }
    let mut again = folded(&facts);
    again.measure_by(Arc::new(Rising));
    assert_eq!((again.free(), again.spent), (job.free(), job.spent));
    let (mut one, mut two) = (facts.clone(), facts);
    let mut later = ids;
    let last = compute(&mut job, &mut ids, 3, &mut one);
    assert_eq!(last, compute(&mut again, &mut later, 3, &mut two));
    assert_eq!(reckoned(&two)[&2], (2 * (10 + 60 + 4), 2 * (10 + 60 + 4)));
}

#[test]
fn what_the_server_ran_itself_is_counted_by_its_own_run() {
    let (mut job, _) = begin(&priced(1, None));
    let both = fleet(&[ANN, BOB]);
    for (n, lender, output) in [(1, ANN, 5), (2, BOB, 6)] {
        let id = LeaseId(Uuid::from_u128(n));
        job.lease(worker(lender), &both, id, 0, NOW);
        job.report(id, (Outcome::Done, Sha256Hash([output; 32]), 8 * MIB, FUEL), &both);
    }
    assert!(job.needs_referee(0, &both));
    let (output, output_bytes) = (Sha256Hash([6; 32]), 3 * MIB);
    let own = Refereed { outcome: Outcome::Done, output, output_bytes, fuel: FUEL };
    let facts = job.refereed(0, own);
    assert_eq!(kinds(&facts), ["chunk_verified", "transfer_counted", "chunk_settled"]);
    let Some(Fact::ChunkSettled { price, shares, .. }) = facts.last() else { panic!("{facts:?}") };
    assert_eq!((price.micros(), shares.len()), (10 + 60 + 2, 1));
}

#[test]
fn facts_of_before_are_paid_as_before() {
    let plain = submitted(2, 2, 100_000);
    assert_eq!(plain.resources_fact(), None);
    let (mut job, mut facts) = begin(&plain);
    let last = compute(&mut job, &mut 0, 70 * MIB, &mut facts);
    assert_eq!(kinds(&last), ["attempt_reported", "chunk_verified", "chunk_settled"]);
    let Some(Fact::ChunkSettled { price, .. }) = last.last() else { panic!("{last:?}") };
    assert_eq!(price.micros(), 2 * 60);
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn the_hold_is_never_exceeded_whatever_agents_say_they_moved() {
    let (mut spent_up, mut moved) = (0, 0);
    for seed in 1..=300 {
        let mut dice = Dice(seed);
        let chunks = 1 + u32::try_from(dice.below(8)).unwrap();
        let mut submitted = priced(chunks, None);
        submitted.hold = micros(i64::try_from(dice.below(1_200)).unwrap());
        submitted.prices.resources.per_gib = micros(i64::try_from(dice.below(9_000)).unwrap());
        submitted.prices.resources.transfer_max = dice.below(64 * MIB);
        let (mut job, mut facts) = begin(&submitted);
        let (both, mut ids) = (fleet(&[ANN, BOB]), 0);
        for _ in 0..40 {
            let lender = if dice.below(2) == 0 { ANN } else { BOB };
            ids += 1;
            let id = LeaseId(Uuid::from_u128(ids));
            facts.extend(job.lease(worker(lender), &both, id, 0, NOW));
            let live: Vec<LeaseId> = job.leases().map(|lease| lease.id).collect();
            if let (Some(id), true) = (live.first(), dice.below(3) > 0) {
                let result = (Outcome::Done, Sha256Hash([1; 32]), 40 * MIB, Fuel(u64::MAX));
                facts.extend(job.report(*id, result, &both));
            }
            assert!(job.spent.saturating_add(job.reserved) <= submitted.hold, "seed {seed}");
            assert!(job.reserved >= Credits::ZERO, "seed {seed}");
        }
        let counted = |fact: &&Fact| matches!(fact, Fact::TransferCounted { .. });
        moved += facts.iter().filter(counted).count();
        spent_up += usize::from(!job.complete() && job.affordable().is_none());
        let mut again = folded(&facts);
        again.measure_by(Arc::new(Rising));
        assert_eq!((again.spent, again.reserved), (job.spent, job.reserved), "seed {seed}");
        let rest: Vec<_> = reckoned(&facts).into_values().filter(|(hand, is)| hand != is).collect();
        assert_eq!(rest, [], "seed {seed}");
    }
    assert!(spent_up > 30 && moved > 100, "{spent_up} ran out, {moved} were counted");
}

#[test]
fn what_was_quoted_is_enough_for_chunks_like_the_sample() {
    for seed in 1..=200 {
        let mut dice = Dice(seed);
        let (chunks, output) = (1 + u32::try_from(dice.below(9)).unwrap(), dice.below(9 * MIB));
        let mut submitted = priced(chunks, None);
        let resources = &mut submitted.prices.resources;
        resources.per_gib = micros(i64::try_from(dice.below(900_000_000)).unwrap());
        resources.transfer_free = dice.below(MIB);
        resources.transfer_max = u64::from(chunks) * MIB + (4 * output).max(MIB);
        submitted.fuel_limit = Fuel(FUEL.0 * (1 + dice.below(100)));
        let prices = submitted.prices;
        let moved = (0..chunks).map(|chunk| prices.transfer(u64::from(chunk) * MIB + output));
        let work = Work {
            sample: FUEL,
            sample_bytes: 1,
            bytes: u64::from(chunks),
            chunks,
            merges: (0, Fuel(0)),
            transfer: moved.fold(micros(0), Credits::saturating_add),
            twice_ppm: 1_000_000,
            limit: submitted.fuel_limit,
        };
        let quoted = quote_price(&prices, &work);
        submitted.hold = quoted.hold;
        let (mut job, _) = begin(&submitted);
        let (both, mut ids) = (fleet(&[ANN, BOB]), 0);
        // One computes as far ahead as it may, then the other.
        for round in 0..100 {
            let lender = if round & 1 == 0 { ANN } else { BOB };
            let mut leased = Vec::new();
            loop {
                ids += 1;
                let id = LeaseId(Uuid::from_u128(ids));
                if job.lease(worker(lender), &both, id, 0, NOW).is_empty() {
                    break;
                }
                leased.push(id);
            }
            for id in leased {
                job.report(id, (Outcome::Done, Sha256Hash([5; 32]), output, FUEL), &both);
            }
        }
        assert!(job.complete(), "seed {seed}: {} of {chunks}", job.done.len());
        let rounded = micros(i64::from(chunks) * 2);
        assert!(job.spent <= quoted.likely.saturating_add(rounded), "seed {seed}");
    }
}
