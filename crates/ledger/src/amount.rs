//! Amounts as the books keep them: whole smallest units of an account's currency.

use medusa_types::Credits;
use serde::{Deserialize, Serialize};

/// A currency of the books. Each has its own accounts, and every event sums to zero in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// Credits; the unit is a millionth.
    Crd,
    /// US dollars; the unit is a cent.
    Usd,
}

impl Currency {
    /// Every currency.
    pub const ALL: [Self; 2] = [Self::Crd, Self::Usd];

    /// `CRD` or `USD`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Crd => "CRD",
            Self::Usd => "USD",
        }
    }

    /// An amount of this currency for people: `12.50`.
    #[must_use]
    pub fn show(self, amount: Amount) -> String {
        match self {
            Self::Crd => amount.credits().to_string(),
            Self::Usd => {
                let sign = if amount.0 < 0 { "-" } else { "" };
                let abs = amount.0.unsigned_abs();
                let (whole, rest) = (abs.checked_div(100), abs.checked_rem(100));
                format!("{sign}{}.{:02}", whole.unwrap_or_default(), rest.unwrap_or_default())
            }
        }
    }
}

/// A signed number of smallest units; positive on the credit side. Which currency it is of, the
/// account says. No operation wraps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most.
    pub const MAX: Self = Self(i64::MAX);

    /// From whole units: micro-credits, or cents.
    #[must_use]
    pub const fn new(units: i64) -> Self {
        Self(units)
    }

    /// Whole units.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }

    /// As credits: only for accounts of that currency.
    #[must_use]
    pub const fn credits(self) -> Credits {
        Credits::from_micros(self.0)
    }

    /// The sum, unless it leaves the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it leaves the range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The opposite, unless it leaves the range.
    #[must_use]
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl From<Credits> for Amount {
    fn from(credits: Credits) -> Self {
        Self(credits.micros())
    }
}

/// Whole US cents. A flow between dollars and credits takes both, and mixes up neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(i64);

impl Cents {
    /// From whole cents.
    #[must_use]
    pub const fn new(cents: i64) -> Self {
        Self(cents)
    }

    /// Whole cents.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl From<Cents> for Amount {
    fn from(cents: Cents) -> Self {
        Self(cents.0)
    }
}
