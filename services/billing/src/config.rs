//! What can be set about billing.

use medusa_api::Tariff;
use medusa_types::Credits;

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
        Self { tariff: Tariff::usual(), welcome: Credits::from_micros(100_000_000) }
    }
}

impl BillingConfig {
    /// The usual tariff with what the text changes of it, as `name=number,…`. Prices are in
    /// credits, what is free in bytes, `fee_permille` in thousandths.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn tariff_with(text: &str) -> Result<Tariff, String> {
        tariff::changed(Tariff::usual(), text)
    }
}
