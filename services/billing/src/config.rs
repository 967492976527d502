//! What can be set about billing.

use medusa_api::Tariff;
use medusa_types::{Credits, METER};

use crate::domain::tariff;

/// Typed settings, with the defaults of a small installation.
#[derive(Clone, Debug)]
pub struct BillingConfig {
    /// The prices that new quotes are made of.
    pub tariff: Tariff,
    /// What a new person is given.
    pub welcome: Credits,
}

impl Default for BillingConfig {
    fn default() -> Self {
        Self {
            tariff: Tariff {
                meter: METER.to_owned(),
                // The example programs use about 20 units of fuel a nanosecond on one desktop core,
                // so that an hour of it costs about 2 credits.
                per_gfuel: Credits::from_micros(28),
                // As elsewhere a GiB costs about a ninth of the core beside it; what a job gets
                // that asks for nothing is free.
                per_gfuel_gib: Credits::from_micros(3),
                memory_free: 512 << 20,
                // A tenth of what moving it out of a data centre costs. Small chunks move nothing
                // that is worth counting.
                per_gib: Credits::from_micros(100_000),
                transfer_free: 1 << 20,
                per_start: Credits::from_micros(3),
                fee_permille: 150,
            },
            welcome: Credits::from_micros(100_000_000),
        }
    }
}

impl BillingConfig {
    /// The usual tariff with what the text changes of it, as `name=number,…`. Prices are in
    /// credits, what is free in bytes, `fee_permille` in thousandths.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn tariff_with(text: &str) -> Result<Tariff, String> {
        tariff::changed(Self::default().tariff, text)
    }
}
