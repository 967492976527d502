//! What computing costs. A price is agreed when the job is submitted, and paid by exact fuel.

use medusa_api::Tariff;
use medusa_types::{Credits, Fuel};

/// Units of fuel that the fuel price is for.
const GFUEL: u128 = 1_000_000_000;
/// A hold is so much more than the likely price, in tenths: chunks differ.
const HOLD_TENTHS: i64 = 20;
/// Copies of each chunk that a hold covers at least.
const COPIES_HELD: u32 = 2;
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

/// Low, likely and held price of a job, from the fuel of one sample chunk.
///
/// `sample_bytes` and `bytes` are the input sizes of the sample and of all chunks; fuel is taken to
/// grow with them. The hold covers at least one more run of the sample beyond the likely price.
#[must_use]
pub fn quote_price(
    prices: &Prices,
    sample: Fuel,
    (sample_bytes, bytes): (u64, u64),
    (chunks, copies): (u32, u32),
) -> (Credits, Credits, Credits) {
    let scaled = u128::from(sample.0)
        .saturating_mul(u128::from(bytes.max(1)))
        .div_ceil(u128::from(sample_bytes.max(1)));
    let whole = u128::from(sample.0).saturating_mul(u128::from(chunks));
    let fuel = Fuel(u64::try_from(scaled.max(whole)).unwrap_or(u64::MAX));
    let rate_only = Prices { per_start: Credits::ZERO, ..*prices };
    let starts = prices.per_start.checked_mul(i64::from(chunks)).unwrap_or_default();
    let once = rate_only.copy(fuel).saturating_add(starts);
    let likely = once.checked_mul(i64::from(copies)).unwrap_or(once);
    let low = likely.share_floor(LOW_TENTHS, 10).unwrap_or(likely);
    // One copy does only where agents have earned it: the hold covers two in any case.
    let held = i64::from(copies.max(COPIES_HELD));
    let most = once.checked_mul(held).unwrap_or(once);
    let margin = most.checked_mul(HOLD_TENTHS).and_then(|c| c.share_floor(1, 10));
    let spare = prices.copy(Fuel(sample.0.saturating_mul(4))).checked_mul(held);
    let hold = margin.unwrap_or(most).saturating_add(spare.unwrap_or_default());
    (low, likely, hold)
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

    #[test]
    fn the_hold_covers_the_likely_price() {
        let (low, likely, hold) = quote_price(&prices(), Fuel(5_000_000_000), (10, 100), (10, 2));
        assert_eq!(likely, Credits::from_micros((5_550 + 200) * 2));
        assert!(low < likely && likely < hold);
    }
}
