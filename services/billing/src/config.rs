//! What can be set about billing.

use medusa_api::Tariff;
use medusa_types::{Credits, METER};

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
                per_start: Credits::from_micros(3),
                fee_permille: 150,
            },
            welcome: Credits::from_micros(100_000_000),
        }
    }
}
