//! What computing costs. A price is agreed when the job is submitted, and paid by exact fuel.

use medusa_api::{Breakdown, Tariff};
use medusa_types::{Credits, Fuel};

/// Units of fuel that the fuel price is for.
const GFUEL: u128 = 1_000_000_000;
/// A hold is so much more than the likely price, in tenths: chunks differ.
const HOLD_TENTHS: i64 = 20;
/// Copies of each chunk that a hold covers: agents who have earned less may turn up.
const COPIES_HELD: i64 = 2;
/// Everything, in millionths.
const WHOLE_PPM: u32 = 1_000_000;
/// The low end of a quote, in tenths of the likely price.
const LOW_TENTHS: u64 = 7;

/// The prices that a job is settled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// For 1,000,000,000 units of fuel.
    pub per_gfuel: Credits,
    /// For starting one copy of one chunk.
    pub per_start: Credits,
    /// The platform's part, in thousandths.
    pub fee_permille: u32,
}

impl From<&Tariff> for Prices {
    fn from(tariff: &Tariff) -> Self {
        Self {
            per_gfuel: tariff.per_gfuel,
            per_start: tariff.per_start,
            fee_permille: tariff.fee_permille,
        }
    }
}

impl Prices {
    /// What one copy costs, fee included. Fractions of a micro-credit are rounded up, to the side
    /// of who did the work.
    #[must_use]
    pub fn copy(&self, fuel: Fuel) -> Credits {
        let rate = u128::try_from(self.per_gfuel.micros()).unwrap_or_default();
        let micros = u128::from(fuel.0).saturating_mul(rate).div_ceil(GFUEL);
        let work = Credits::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        work.saturating_add(self.per_start)
    }

    /// The platform's part of a price, rounded down.
    #[must_use]
    pub fn fee(&self, price: Credits) -> Credits {
        price.share_floor(u64::from(self.fee_permille), 1000).unwrap_or_default()
    }

    /// The most fuel that a copy may use and still cost no more than this.
    #[must_use]
    pub fn fuel_for(&self, price: Credits) -> Fuel {
        let rate = u128::try_from(self.per_gfuel.micros()).unwrap_or_default();
        let work = price.saturating_sub(self.per_start).micros();
        let work = u128::try_from(work).unwrap_or_default().saturating_mul(GFUEL);
        let fuel = work.checked_div(rate).unwrap_or(u128::MAX);
        Fuel(u64::try_from(fuel).unwrap_or(u64::MAX))
    }
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
    /// The part of all runs that is expected to get a second copy, in millionths.
    pub twice_ppm: u32,
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

/// What a job is expected to cost. The hold covers two copies of every chunk, and at least one more
/// run of the sample beyond.
#[must_use]
pub fn quote_price(prices: &Prices, work: &Work) -> Priced {
    let scaled = u128::from(work.sample.0)
        .saturating_mul(u128::from(work.bytes.max(1)))
        .div_ceil(u128::from(work.sample_bytes.max(1)));
    let whole = u128::from(work.sample.0).saturating_mul(u128::from(work.chunks));
    let (merges, each) = work.merges;
    let merging = u128::from(each.0).saturating_mul(u128::from(merges));
    let all = scaled.max(whole).saturating_add(merging);
    let fuel = Fuel(u64::try_from(all).unwrap_or(u64::MAX));
    let rate_only = Prices { per_start: Credits::ZERO, ..*prices };
    let runs = i64::from(work.chunks).saturating_add(i64::from(merges));
    let starts = prices.per_start.checked_mul(runs).unwrap_or_default();
    let once = rate_only.copy(fuel).saturating_add(starts);
    // Rounded up: who pays is not told too little.
    let spared = u64::from(WHOLE_PPM.saturating_sub(work.twice_ppm));
    let spared = once.share_floor(spared, WHOLE_PPM.into()).unwrap_or_default();
    let verification = once.saturating_sub(spared);
    let likely = once.saturating_add(verification);
    let most = once.checked_mul(COPIES_HELD).unwrap_or(once);
    let margin = most.checked_mul(HOLD_TENTHS).and_then(|c| c.share_floor(1, 10));
    let spare = prices.copy(Fuel(work.sample.0.saturating_mul(4))).checked_mul(COPIES_HELD);
    Priced {
        low: likely.share_floor(LOW_TENTHS, 10).unwrap_or(likely),
        likely,
        hold: margin.unwrap_or(most).saturating_add(spare.unwrap_or_default()),
        verification,
        breakdown: breakdown(prices, starts, once, likely),
    }
}

/// The parts of a price without their fee, and the fee. Each part is the difference of two sums
/// without their fees: so the parts add up exactly, and none is negative.
fn breakdown(prices: &Prices, starts: Credits, once: Credits, likely: Credits) -> Breakdown {
    let net = |sum: Credits| sum.saturating_sub(prices.fee(sum));
    Breakdown {
        compute: net(once).saturating_sub(net(starts)),
        start: net(starts),
        verification: net(likely).saturating_sub(net(once)),
        fee: prices.fee(likely),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices {
            per_gfuel: Credits::from_micros(111),
            per_start: Credits::from_micros(20),
            fee_permille: 150,
        }
    }

    #[test]
    fn a_copy_costs_its_start_and_its_fuel_rounded_up() {
        assert_eq!(prices().copy(Fuel(0)), Credits::from_micros(20));
        assert_eq!(prices().copy(Fuel(1)), Credits::from_micros(21));
        assert_eq!(prices().copy(Fuel(2_000_000_000)), Credits::from_micros(242));
        assert_eq!(prices().fee(Credits::from_micros(242)), Credits::from_micros(36));
    }

    #[test]
    fn fuel_for_a_price_never_costs_more() {
        for micros in [20, 21, 100, 5_000] {
            let price = Credits::from_micros(micros);
            assert!(prices().copy(prices().fuel_for(price)) <= price, "{micros}");
        }
    }

    const WORK: Work = Work {
        sample: Fuel(5_000_000_000),
        sample_bytes: 10,
        bytes: 100,
        chunks: 10,
        merges: (0, Fuel(0)),
        twice_ppm: 1_000_000,
    };

    #[test]
    fn the_hold_covers_the_likely_price() {
        let priced = quote_price(&prices(), &WORK);
        assert_eq!(priced.likely, Credits::from_micros((5_550 + 200) * 2));
        assert!(priced.low < priced.likely && priced.likely < priced.hold);
    }

    #[test]
    fn records_make_it_cheaper_and_the_hold_stays() {
        let twice = quote_price(&prices(), &WORK);
        for (twice_ppm, checking) in [(0, 0), (40_000, 230), (500_000, 2_875), (1, 1)] {
            let priced = quote_price(&prices(), &Work { twice_ppm, ..WORK });
            assert_eq!(priced.verification, Credits::from_micros(checking), "{twice_ppm}");
            assert_eq!(priced.likely, Credits::from_micros(5_750 + checking), "{twice_ppm}");
            assert_eq!(priced.hold, twice.hold);
        }
    }

    #[test]
    fn the_parts_add_up_to_the_likely_price_whatever_it_is() {
        let mut seen = 0;
        for sample in [0, 1, 9, 10_000_000, 9_009_009, 5_000_000_000] {
            for (per_start, fee_permille) in [(0, 0), (0, 999), (1, 150), (20, 150), (7, 333)] {
                for (chunks, twice_ppm) in [(1, 1_000_000), (1, 0), (3, 77_777), (999, 500_001)] {
                    let per_start = Credits::from_micros(per_start);
                    let prices = Prices { per_start, fee_permille, ..prices() };
                    let work = Work { sample: Fuel(sample), chunks, twice_ppm, ..WORK };
                    let priced = quote_price(&prices, &work);
                    assert_eq!(priced.breakdown.sum(), priced.likely, "{prices:?} {work:?}");
                    let parts = priced.breakdown.parts();
                    assert!(parts.iter().all(|(_, part)| *part >= Credits::ZERO), "{parts:?}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 120);
    }
}
