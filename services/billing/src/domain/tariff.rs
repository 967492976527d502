//! The tariff as a fact and as text.

use medusa_api::Tariff;
use medusa_events::Fact;
use medusa_types::Credits;

/// More than any price is, against a slip of the finger.
const PRICE_MAX: Credits = Credits::from_micros(1_000_000_000);
/// More than any free amount of bytes is.
const BYTES_MAX: u64 = 1 << 40;
/// Everything, in thousandths.
const WHOLE_PERMILLE: u32 = 1_000;

/// The fact that puts a tariff in force.
pub(crate) fn fact(tariff: &Tariff) -> Fact {
    let Tariff {
        meter,
        per_gfuel,
        per_gfuel_gib,
        memory_free,
        per_gib,
        transfer_free,
        per_start,
        fee_permille,
    } = tariff.clone();
    Fact::PricesListed {
        meter,
        per_gfuel,
        per_gfuel_gib,
        memory_free,
        per_gib,
        transfer_free,
        per_start,
        fee_permille,
    }
}

/// The tariff that a fact puts in force. In the older of the two memory and transfer are free.
pub(crate) fn listed(fact: &Fact) -> Option<Tariff> {
    match fact.clone() {
        Fact::TariffSet { meter, per_gfuel, per_start, fee_permille } => Some(Tariff {
            meter,
            per_gfuel,
            per_gfuel_gib: Credits::ZERO,
            memory_free: 0,
            per_gib: Credits::ZERO,
            transfer_free: 0,
            per_start,
            fee_permille,
        }),
        Fact::PricesListed {
            meter,
            per_gfuel,
            per_gfuel_gib,
            memory_free,
            per_gib,
            transfer_free,
            per_start,
            fee_permille,
        } => Some(Tariff {
            meter,
            per_gfuel,
            per_gfuel_gib,
            memory_free,
            per_gib,
            transfer_free,
            per_start,
            fee_permille,
        }),
        _ => None,
    }
}

/// A tariff with what the text changes of it, like `per_gfuel=0.00003,fee_permille=100`: prices in
/// credits, what is free in bytes, the fee in thousandths.
pub(crate) fn changed(mut tariff: Tariff, text: &str) -> Result<Tariff, String> {
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(format!("{part} is no name=number"))?;
        match name {
            "per_gfuel" => tariff.per_gfuel = price(value)?,
            "per_gfuel_gib" => tariff.per_gfuel_gib = price(value)?,
            "memory_free" => tariff.memory_free = number(value, BYTES_MAX)?,
            "per_gib" => tariff.per_gib = price(value)?,
            "transfer_free" => tariff.transfer_free = number(value, BYTES_MAX)?,
            "per_start" => tariff.per_start = price(value)?,
            "fee_permille" => tariff.fee_permille = number(value, WHOLE_PERMILLE)?,
            _ => return Err(format!("the tariff has no {name}")),
        }
    }
    Ok(tariff)
}

fn price(text: &str) -> Result<Credits, String> {
    let price = text.parse::<Credits>().map_err(|error| format!("{text}: {error}"))?;
    if price < Credits::ZERO || price > PRICE_MAX {
        return Err(format!("{text} is not between 0 and {PRICE_MAX} credits"));
    }
    Ok(price)
}

fn number<N>(text: &str, most: N) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let found = text.parse::<N>().ok().filter(|number| *number <= most);
    found.ok_or_else(|| format!("{text} is no whole number up to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BillingConfig;

    #[test]
    fn a_tariff_is_read_from_its_fact_again() {
        let tariff = BillingConfig::default().tariff;
        assert_eq!(listed(&fact(&tariff)), Some(tariff.clone()));
        let Tariff { meter, per_gfuel, per_start, fee_permille, .. } = tariff.clone();
        let old = Fact::TariffSet { meter, per_gfuel, per_start, fee_permille };
        let none = Credits::ZERO;
        let (memory_free, transfer_free) = (0, 0);
        let free =
            Tariff { per_gfuel_gib: none, per_gib: none, memory_free, transfer_free, ..tariff };
        assert_eq!(listed(&old), Some(free));
        assert_eq!(listed(&Fact::ReservationExpired { pending: pending() }), None);
    }

    fn pending() -> medusa_types::PendingId {
        medusa_types::PendingId(medusa_types::Uuid::from_u128(1))
    }

    #[test]
    fn a_tariff_is_changed_by_text_and_nonsense_is_named() {
        let usual = BillingConfig::default().tariff;
        let read = |text: &str| changed(usual.clone(), text);
        assert_eq!(read(""), Ok(usual.clone()));
        let (per_gfuel, per_gib) = (Credits::from_micros(31), Credits::ZERO);
        let other = Tariff { per_gfuel, per_gib, memory_free: 7, fee_permille: 1, ..usual.clone() };
        let text = "per_gfuel=0.000031, per_gib=0,memory_free=7,fee_permille=1";
        assert_eq!(read(text), Ok(other));
        for (text, wrong) in [
            ("per_start", "no name=number"),
            ("per_start=x", "x: "),
            ("per_start=-1", "-1 is not between 0 and 1000.00 credits"),
            ("per_gib=1001", "1001 is not between"),
            ("per_hour=1", "no per_hour"),
            ("fee_permille=1001", "up to 1000"),
            ("transfer_free=1.5", "1.5 is no whole number"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(wrong), "{text}: {refused}");
        }
    }
}
