//! What computing costs. A price is agreed when the job is submitted, and paid by exact fuel and
//! exact bytes.

use medusa_api::{Breakdown, Tariff};
use medusa_types::{Credits, Fuel};

/// Units of fuel that the fuel price is for.
const GFUEL: u128 = 1_000_000_000;
/// Bytes that the prices of memory and transfer are for.
const GIB: u128 = 1 << 30;
/// A hold is so much more than the likely price, in tenths: chunks differ.
const HOLD_TENTHS: i64 = 20;
/// Copies of each chunk that a hold covers: agents who have earned less may turn up.
const COPIES_HELD: i64 = 2;
/// Everything, in millionths.
const WHOLE_PPM: u32 = 1_000_000;
/// The low end of a quote, in tenths of the likely price.
const LOW_TENTHS: u64 = 7;

/// The prices that a job is settled by, and what of its copies is charged for. Those of jobs from
/// before memory and transfer had a price have zeros there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// For 1,000,000,000 units of fuel.
    pub per_gfuel: Credits,
    /// For starting one copy of one chunk.
    pub per_start: Credits,
    /// The platform's part, in thousandths.
    pub fee_permille: u32,
    /// What of memory and transfer is charged for, and how.
    pub resources: Resources,
}

/// What of a copy is charged for beside its fuel and its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory that is charged for, in bytes: what a run may use beyond what is free.
    pub memory_bytes: u64,
    /// For 1,000,000,000 units of fuel and each GiB of that.
    pub per_gfuel_gib: Credits,
    /// For 1 GiB of input and output of a copy beyond what is free.
    pub per_gib: Credits,
    /// Bytes of input and output of each copy that are free.
    pub transfer_free: u64,
    /// Bytes of a copy that are charged at most, the free ones among them.
    pub transfer_max: u64,
}

impl Resources {
    /// Whether any of it costs something.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.charges_memory() || self.charges_transfer()
    }

    fn charges_memory(&self) -> bool {
        self.memory_bytes > 0 && self.per_gfuel_gib.is_positive()
    }

    /// Whether bytes cost something.
    #[must_use]
    pub fn charges_transfer(&self) -> bool {
        self.per_gib.is_positive() && self.transfer_max > self.transfer_free
    }
}

impl Prices {
    /// The prices of a tariff for runs with this limit of memory, of which so many bytes of
    /// transfer are charged at most.
    #[must_use]
    pub fn of(tariff: &Tariff, memory_bytes: u64, transfer_max: u64) -> Self {
        Self {
            per_gfuel: tariff.per_gfuel,
            per_start: tariff.per_start,
            fee_permille: tariff.fee_permille,
            resources: Resources {
                memory_bytes: memory_bytes.saturating_sub(tariff.memory_free),
                per_gfuel_gib: tariff.per_gfuel_gib,
                per_gib: tariff.per_gib,
                transfer_free: tariff.transfer_free,
                transfer_max,
            },
        }
    }

    /// What one copy costs that moves so many bytes, fee included. Fractions of a micro-credit are
    /// rounded up, to the side of who did the work.
    #[must_use]
    pub fn copy(&self, fuel: Fuel, bytes: u64) -> Credits {
        self.work(fuel).saturating_add(self.transfer(bytes)).saturating_add(self.per_start)
    }

    /// The most that one copy can cost: this fuel, and all the bytes that are charged for.
    #[must_use]
    pub fn copy_max(&self, fuel: Fuel) -> Credits {
        self.copy(fuel, self.resources.transfer_max)
    }

    /// What fuel costs with the memory that is charged for, rounded up.
    fn work(&self, fuel: Fuel) -> Credits {
        let parts = u128::from(fuel.0).saturating_mul(self.rate());
        credits(parts.div_ceil(GFUEL.saturating_mul(GIB)))
    }

    /// What the input and output of one copy cost, of so many bytes together.
    #[must_use]
    pub fn transfer(&self, bytes: u64) -> Credits {
        let Resources { per_gib, transfer_free, transfer_max, .. } = self.resources;
        let charged = bytes.min(transfer_max).saturating_sub(transfer_free);
        if charged == 0 {
            // Nearly all copies; a division is saved.
            return Credits::ZERO;
        }
        credits(u128::from(charged).saturating_mul(micros(per_gib)).div_ceil(GIB))
    }

    /// For 1,000,000,000 units of fuel with the memory that is charged for, in micro-credits times
    /// the bytes of a GiB.
    fn rate(&self) -> u128 {
        let Resources { memory_bytes, per_gfuel_gib, .. } = self.resources;
        let memory = micros(per_gfuel_gib).saturating_mul(memory_bytes.into());
        micros(self.per_gfuel).saturating_mul(GIB).saturating_add(memory)
    }

    /// The platform's part of a price, rounded down.
    #[must_use]
    pub fn fee(&self, price: Credits) -> Credits {
        price.share_floor(u64::from(self.fee_permille), 1000).unwrap_or_default()
    }

    /// The most fuel that a copy may use and cost no more than this, whatever it moves.
    #[must_use]
    pub fn fuel_for(&self, price: Credits) -> Fuel {
        let fixed = self.per_start.saturating_add(self.transfer(self.resources.transfer_max));
        if price < fixed {
            return Fuel(0);
        }
        let work = micros(price.saturating_sub(fixed)).saturating_mul(GFUEL).saturating_mul(GIB);
        let fuel = work.checked_div(self.rate()).unwrap_or(u128::MAX);
        Fuel(u64::try_from(fuel).unwrap_or(u64::MAX))
    }
}

fn micros(amount: Credits) -> u128 {
    u128::try_from(amount.micros()).unwrap_or_default()
}

fn credits(micros: u128) -> Credits {
    Credits::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// What a job computes, from one sample chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Fuel of the sample.
    pub sample: Fuel,
    /// Bytes of its input.
    pub sample_bytes: u64,
    /// Bytes of all chunks' inputs; fuel is taken to grow with them.
    pub bytes: u64,
    /// Chunks.
    pub chunks: u32,
    /// Runs that put results together, and the fuel of each.
    pub merges: (u32, Fuel),
    /// What one copy of each of these runs moves costs.
    pub transfer: Credits,
    /// The part of all runs that is expected to get a second copy, in millionths.
    pub twice_ppm: u32,
    /// The most fuel of one run.
    pub limit: Fuel,
}

/// What a job is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// It will hardly be less.
    pub low: Credits,
    /// It will be about this.
    pub likely: Credits,
    /// It will never be more.
    pub hold: Credits,
    /// Part of `likely` that pays second copies, their fee included.
    pub verification: Credits,
    /// What `likely` is made of.
    pub breakdown: Breakdown,
}

/// What a job is expected to cost. The hold covers two copies of every chunk with a margin, and
/// beyond that one run at its limit: while chunks are like the sample, another one can be begun.
#[must_use]
pub fn quote_price(prices: &Prices, work: &Work) -> Priced {
    let once = once(prices, work);
    // Rounded up: who pays is not told too little.
    let spared = u64::from(WHOLE_PPM.saturating_sub(work.twice_ppm));
    let spared = once.share_floor(spared, WHOLE_PPM.into()).unwrap_or_default();
    let verification = once.saturating_sub(spared);
    let likely = once.saturating_add(verification);
    let most = once.checked_mul(COPIES_HELD).unwrap_or(once);
    let margin = most.checked_mul(HOLD_TENTHS).and_then(|c| c.share_floor(1, 10));
    let spare = prices.copy_max(Fuel(work.sample.0.saturating_mul(4))).checked_mul(COPIES_HELD);
    let spare = spare.unwrap_or_default().max(prices.copy_max(work.limit));
    Priced {
        low: likely.share_floor(LOW_TENTHS, 10).unwrap_or(likely),
        likely,
        hold: margin.unwrap_or(most).saturating_add(spare),
        verification,
        breakdown: breakdown(prices, work, likely),
    }
}

/// What every run costs once. Each is rounded by itself, as it is when it is paid: where runs are
/// short, that is most of the price.
fn once(prices: &Prices, work: &Work) -> Credits {
    let runs = runs(work).map(|(runs, fuel)| times(prices.work(fuel), runs));
    let starts = times(prices.per_start, work.chunks.saturating_add(work.merges.0));
    let [chunks, merges] = runs;
    chunks.saturating_add(merges).saturating_add(work.transfer).saturating_add(starts)
}

/// The chunks and the runs that merge, each with the fuel of a usual one.
fn runs(work: &Work) -> [(u32, Fuel); 2] {
    let scaled = u128::from(work.sample.0)
        .saturating_mul(u128::from(work.bytes.max(1)))
        .div_ceil(u128::from(work.sample_bytes.max(1)));
    let usual = scaled.div_ceil(u128::from(work.chunks.max(1))).max(work.sample.0.into());
    [(work.chunks, Fuel(u64::try_from(usual).unwrap_or(u64::MAX))), work.merges]
}

fn times(each: Credits, runs: u32) -> Credits {
    each.checked_mul(runs.into()).unwrap_or(Credits::from_micros(i64::MAX))
}

/// The parts of a price without their fee, and the fee. The fee is taken of each chunk, rounded
/// down, so it is a smaller part of short ones. Each other part is the difference of two sums: so
/// the parts add up exactly, and none is negative.
fn breakdown(prices: &Prices, work: &Work, likely: Credits) -> Breakdown {
    let plain = Prices { resources: Resources::default(), ..*prices };
    let all = u64::from(work.chunks.saturating_add(work.merges.0)).max(1);
    // Of a usual run with its expected copies, which are settled together.
    let each = likely.share_floor(1, all).unwrap_or_default();
    let fee = times(prices.fee(each), work.chunks.saturating_add(work.merges.0)).min(likely);
    let fee_of = |sum: Credits| {
        let (fee, sum, likely) = (micros(fee), micros(sum), micros(likely).max(1));
        credits(fee.saturating_mul(sum).checked_div(likely).unwrap_or_default())
    };
    let mut before = Credits::ZERO;
    let mut net_to = |sum: Credits| {
        let net = sum.saturating_sub(fee_of(sum));
        net.saturating_sub(std::mem::replace(&mut before, net))
    };
    let computed = |prices: &Prices| {
        let [chunks, merges] = runs(work).map(|(runs, fuel)| times(prices.work(fuel), runs));
        chunks.saturating_add(merges)
    };
    let start = times(prices.per_start, work.chunks.saturating_add(work.merges.0));
    let worked = start.saturating_add(computed(prices));
    Breakdown {
        start: net_to(start),
        compute: net_to(start.saturating_add(computed(&plain))),
        memory: net_to(worked),
        transfer: net_to(worked.saturating_add(work.transfer)),
        verification: net_to(likely),
        fee,
    }
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
