//! Credits: the currency of the marketplace, exact to a millionth.
//!
//! Stored as whole micro-credits in an `i64`; written for people and in JSON as a decimal string.
//! No operation wraps: sums that leave the range are errors, which the ledger refuses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Micro-credits in one credit.
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

/// A signed amount of credits. Positive on the credit side of a ledger account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

/// Why an amount could not be read or computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a decimal number with at most six places.
    #[error("an amount is a decimal number with at most six places, like 12.5")]
    Syntax,
    /// The value does not fit in 63 bits of micro-credits.
    #[error("the amount is out of range")]
    Range,
}

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From whole micro-credits.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Whole micro-credits.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum, unless it leaves the range.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The difference, unless it leaves the range.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The product with a count, unless it leaves the range.
    #[must_use]
    pub const fn checked_mul(self, n: i64) -> Option<Self> {
        match self.0.checked_mul(n) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The difference, but never below nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// The sum, held at the edge of the range. For display only, never for postings.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This amount times `part / whole`, rounded towards nothing. `None` when `whole` is not
    /// positive
    /// or the result leaves the range.
    #[must_use]
    pub fn share_floor(self, part: u64, whole: u64) -> Option<Self> {
        let product = i128::from(self.0).checked_mul(i128::from(part))?;
        let value = product.checked_div(i128::from(whole))?;
        i64::try_from(value).ok().map(Self)
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The amount with the opposite sign, unless it leaves the range.
    #[must_use]
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }
}

impl fmt::Display for Credits {
    /// At least two places, at most six: `12.50`, `0.000111`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        let whole = abs.checked_div(1_000_000).unwrap_or_default();
        let rest = abs.checked_rem(1_000_000).unwrap_or_default();
        let places = format!("{rest:06}");
        let kept = places.trim_end_matches('0');
        write!(f, "{sign}{whole}.{kept:0<2}")
    }
}

impl FromStr for Credits {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(places) || places.len() > 6 {
            return Err(AmountError::Syntax);
        }
        let range = |_| AmountError::Range;
        let whole: i64 = whole.parse().map_err(range)?;
        let micros: i64 = format!("{places:0<6}").parse().map_err(range)?;
        let abs = whole
            .checked_mul(MICROS_PER_CREDIT)
            .and_then(|v| v.checked_add(micros))
            .ok_or(AmountError::Range)?;
        let signed = if negative { abs.checked_neg() } else { Some(abs) };
        signed.map(Self).ok_or(AmountError::Range)
    }
}

impl Serialize for Credits {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_agree() {
        for (text, micros) in
            [("0.00", 0), ("12.50", 12_500_000), ("0.000111", 111), ("-3.10", -3_100_000)]
        {
            assert_eq!(Credits::from_micros(micros).to_string(), text);
            assert_eq!(text.parse(), Ok(Credits::from_micros(micros)));
        }
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", ".", "1.", ".5", "1e3", "1.0000001", "+1", "1,5", " 1", "0x1", "--1"] {
            assert_eq!(text.parse::<Credits>(), Err(AmountError::Syntax), "{text}");
        }
        assert_eq!("9999999999999999".parse::<Credits>(), Err(AmountError::Range));
    }

    #[test]
    fn a_share_rounds_down() {
        let ten = Credits::from_micros(10);
        assert_eq!(ten.share_floor(1, 3), Some(Credits::from_micros(3)));
        assert_eq!(ten.share_floor(1, 0), None);
    }
}
