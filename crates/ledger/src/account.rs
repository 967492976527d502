//! The chart of accounts. An account is a class and, for most classes, whom or what it belongs to:
//! `consumer.promo:usr_…`, `escrow.paid:job_…`, `income.compute_fee`.

use std::fmt;
use std::str::FromStr;

use medusa_types::{JobId, UserId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where spendable credits came from. Holds draw on the buckets in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// A gift of the house.
    Promo,
    /// Earned by watching ads; never cashable.
    Ad,
    /// Bought.
    Paid,
    /// Earned by lending.
    Earned,
}

impl Bucket {
    /// In the order in which they are spent.
    pub const ALL: [Self; 4] = [Self::Promo, Self::Ad, Self::Paid, Self::Earned];
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident $code:literal $text:literal;)*) => {
        /// A line of the chart of accounts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Class { $($(#[$doc])* $name),* }

        impl Class {
            /// Every class, by code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number in the chart.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }

            /// Its name, the first part of an account's text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

classes! {
    /// Credits that a person bought.
    ConsumerPaid 2010 "consumer.paid";
    /// Credits from watching ads.
    ConsumerAd 2020 "consumer.ad";
    /// Gifts of the house.
    ConsumerPromo 2030 "consumer.promo";
    /// Earned, inside the holding period.
    LenderPending 2100 "lender.pending";
    /// Earned, free to spend or cash out.
    LenderAvailable 2110 "lender.available";
    /// Held for a job out of bought credits.
    EscrowPaid 2200 "escrow.paid";
    /// Held for a job out of ad credits.
    EscrowAd 2201 "escrow.ad";
    /// Held for a job out of gifts.
    EscrowPromo 2202 "escrow.promo";
    /// Held for a job out of earnings.
    EscrowEarned 2203 "escrow.earned";
    /// What an ad campaign has left for views.
    CampaignReserve 2310 "campaign.reserve";
    /// The platform's fee on computing.
    IncomeComputeFee 4010 "income.compute_fee";
    /// The platform's part of the price of an ad's view.
    IncomeAdMargin 4020 "income.ad_margin";
    /// What the house gives away.
    ExpensePromoGrant 5050 "expense.promo_grant";
}

impl Class {
    /// Whether the balance may stand on the debit side. Assets, equity, expenses and the exchange
    /// control may; what we owe to people may not.
    #[must_use]
    pub const fn may_go_negative(self) -> bool {
        matches!(self.code(), 1000..=1999 | 3000..=3999 | 5000..=5999 | 9000..=9999)
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }
}

/// One account of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    class: Class,
    subject: String,
}

/// The text is not an account of the chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an account of the chart")]
pub struct AccountError(String);

impl Account {
    const fn global(class: Class) -> Self {
        Self { class, subject: String::new() }
    }

    /// Where a person's spendable credits of a bucket stand.
    #[must_use]
    pub fn wallet(bucket: Bucket, user: UserId) -> Self {
        let class = match bucket {
            Bucket::Promo => Class::ConsumerPromo,
            Bucket::Ad => Class::ConsumerAd,
            Bucket::Paid => Class::ConsumerPaid,
            Bucket::Earned => Class::LenderAvailable,
        };
        Self { class, subject: user.to_string() }
    }

    /// What a job holds of a bucket.
    #[must_use]
    pub fn escrow(bucket: Bucket, job: JobId) -> Self {
        let class = match bucket {
            Bucket::Promo => Class::EscrowPromo,
            Bucket::Ad => Class::EscrowAd,
            Bucket::Paid => Class::EscrowPaid,
            Bucket::Earned => Class::EscrowEarned,
        };
        Self { class, subject: job.to_string() }
    }

    /// Earnings inside the holding period.
    #[must_use]
    pub fn lender_pending(user: UserId) -> Self {
        Self { class: Class::LenderPending, subject: user.to_string() }
    }

    /// What an ad campaign has left for views; `campaign` is its id as text, never empty.
    #[must_use]
    pub fn campaign_reserve(campaign: &str) -> Self {
        Self { class: Class::CampaignReserve, subject: campaign.to_owned() }
    }

    /// The platform's part of the price of an ad's view.
    #[must_use]
    pub const fn ad_margin() -> Self {
        Self::global(Class::IncomeAdMargin)
    }

    /// The platform's fee on computing.
    #[must_use]
    pub const fn compute_fee() -> Self {
        Self::global(Class::IncomeComputeFee)
    }

    /// What the house gives away.
    #[must_use]
    pub const fn promo_grant() -> Self {
        Self::global(Class::ExpensePromoGrant)
    }

    /// Its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Whom or what it belongs to; empty for the platform's own.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.name())?;
        if self.subject.is_empty() { Ok(()) } else { write!(f, ":{}", self.subject) }
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let bad = || AccountError(text.to_owned());
        let (name, subject) = text.split_once(':').unwrap_or((text, ""));
        let class = Class::of_name(name).ok_or_else(bad)?;
        // The platform's own accounts have no subject, all others need one.
        let global = class.code() >= 4000 || class.code() < 2000;
        if global != subject.is_empty() {
            return Err(bad());
        }
        Ok(Self { class, subject: subject.to_owned() })
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
