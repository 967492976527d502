//! The chart of accounts. An account is a class and, for most classes, whom or what it belongs to:
//! `consumer.promo:usr_…`, `escrow.paid:job_…`, `income.compute_fee`.

use std::fmt;
use std::str::FromStr;

use medusa_types::{CampaignId, JobId, UserId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Currency;

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

/// Which side of an account must not outgrow the other, pending amounts counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Debits must not exceed credits: what we owe to somebody.
    Debits,
    /// Credits must not exceed debits: what we have.
    Credits,
    /// Either may be larger.
    Free,
}

/// What an account of a class belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The house: one account.
    House,
    /// A person.
    User,
    /// A job.
    Job,
    /// An ad campaign.
    Campaign,
    /// A payment provider, by its name.
    Provider,
}

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident $code:literal $text:literal $owner:ident $currency:ident $limit:ident;)*) => {
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

            /// Whom its accounts belong to.
            #[must_use]
            pub const fn owner(self) -> Owner {
                match self { $(Self::$name => Owner::$owner),* }
            }

            /// The currency of its accounts.
            #[must_use]
            pub const fn currency(self) -> Currency {
                match self { $(Self::$name => Currency::$currency),* }
            }

            /// Which side of its accounts is limited.
            #[must_use]
            pub const fn limit(self) -> Limit {
                match self { $(Self::$name => Limit::$limit),* }
            }
        }
    };
}

classes! {
    /// Money at the bank.
    Bank 1000 "bank" House Usd Credits;
    /// Money that a payment provider has taken and not yet sent on.
    PspClearing 1100 "psp_clearing" Provider Usd Free;
    /// What a consumer owes us, after a chargeback.
    ReceivableConsumer 1200 "receivable.consumer" User Crd Credits;
    /// What a lender owes us, after a clawback.
    ReceivableLender 1210 "receivable.lender" User Crd Credits;
    /// What an advertiser owes us who pays later.
    ReceivableAdvertiser 1300 "receivable.advertiser" User Crd Credits;
    /// Credits that a person bought.
    ConsumerPaid 2010 "consumer.paid" User Crd Debits;
    /// Credits from watching ads.
    ConsumerAd 2020 "consumer.ad" User Crd Debits;
    /// Gifts of the house.
    ConsumerPromo 2030 "consumer.promo" User Crd Debits;
    /// Earned, inside the holding period.
    LenderPending 2100 "lender.pending" User Crd Debits;
    /// Earned, free to spend or cash out.
    LenderAvailable 2110 "lender.available" User Crd Debits;
    /// Held for a job out of bought credits.
    EscrowPaid 2200 "escrow.paid" Job Crd Debits;
    /// Held for a job out of ad credits.
    EscrowAd 2201 "escrow.ad" Job Crd Debits;
    /// Held for a job out of gifts.
    EscrowPromo 2202 "escrow.promo" Job Crd Debits;
    /// Held for a job out of earnings.
    EscrowEarned 2203 "escrow.earned" Job Crd Debits;
    /// What an advertiser has paid in and not yet given to a campaign.
    AdvertiserBalance 2300 "advertiser.balance" User Crd Debits;
    /// What an ad campaign has left for views.
    CampaignReserve 2310 "campaign.reserve" Campaign Crd Debits;
    /// Payouts on their way.
    PayoutPending 2400 "payout.pending" House Crd Debits;
    /// Tax that is owed to an authority.
    TaxWithheld 2500 "tax.withheld" House Crd Debits;
    /// What the owners put in.
    OwnerCapital 3000 "owner.capital" House Usd Free;
    /// The other side of adjustments until they are explained; nothing at each close.
    SuspenseAdjustment 3900 "suspense.adjustment" House Crd Free;
    /// The platform's fee on computing.
    IncomeComputeFee 4010 "income.compute_fee" House Crd Free;
    /// The platform's part of the price of an ad's view.
    IncomeAdMargin 4020 "income.ad_margin" House Crd Free;
    /// Ad credits that expired.
    IncomeBreakage 4030 "income.breakage" House Crd Free;
    /// The fee on payouts.
    IncomePayoutFee 4040 "income.payout_fee" House Crd Free;
    /// What payment providers charge.
    ExpensePspFee 5010 "expense.psp_fee" House Usd Free;
    /// What payment providers charge for a chargeback.
    ExpenseChargebackFee 5020 "expense.chargeback_fee" House Usd Free;
    /// Debts that were written off.
    ExpenseBadDebt 5030 "expense.bad_debt" House Crd Free;
    /// What fraud cost us.
    ExpenseFraudLoss 5040 "expense.fraud_loss" House Crd Free;
    /// What the house gives away.
    ExpensePromoGrant 5050 "expense.promo_grant" House Crd Free;
    /// What the house gives to make good.
    ExpenseGoodwill 5060 "expense.goodwill" House Crd Free;
    /// What rounding left over.
    Rounding 5070 "rounding" House Crd Free;
    /// The dollar side of every exchange.
    ExchangeUsd 9100 "exchange.USD" House Usd Free;
    /// The credit side of every exchange.
    ExchangeCrd 9110 "exchange.CRD" House Crd Free;
}

impl Class {
    /// Whether the balance may stand on the debit side; what we owe to people may not.
    #[must_use]
    pub const fn may_go_negative(self) -> bool {
        !matches!(self.limit(), Limit::Debits)
    }

    /// The class of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }
}

/// The name of a payment provider: 1 to 16 lower-case letters, digits and underscores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Provider([u8; 16]);

impl Provider {
    /// Reads a name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(fits) {
            return None;
        }
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self(bytes))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }
}

/// Whom or what an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The house.
    House,
    /// A person.
    User(UserId),
    /// A job.
    Job(JobId),
    /// An ad campaign.
    Campaign(CampaignId),
    /// A payment provider.
    Provider(Provider),
}

impl Subject {
    fn parse(owner: Owner, text: Option<&str>) -> Option<Self> {
        match owner {
            Owner::House => text.is_none().then_some(Self::House),
            Owner::User => text?.parse().ok().map(Self::User),
            Owner::Job => text?.parse().ok().map(Self::Job),
            Owner::Campaign => text?.parse().ok().map(Self::Campaign),
            Owner::Provider => Provider::new(text?).map(Self::Provider),
        }
    }
}

/// One account of the ledger. Small: it is copied, not shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    class: Class,
    subject: Subject,
}

/// The text is not an account of the chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an account of the chart")]
pub struct AccountError(String);

impl Account {
    /// An account of the house; `None` for classes whose accounts belong to somebody.
    #[must_use]
    pub const fn house(class: Class) -> Option<Self> {
        match class.owner() {
            Owner::House => Some(Self::global(class)),
            Owner::User | Owner::Job | Owner::Campaign | Owner::Provider => None,
        }
    }

    pub(crate) const fn global(class: Class) -> Self {
        Self { class, subject: Subject::House }
    }

    pub(crate) const fn of_user(class: Class, user: UserId) -> Self {
        Self { class, subject: Subject::User(user) }
    }

    /// Where a person's spendable credits of a bucket stand.
    #[must_use]
    pub const fn wallet(bucket: Bucket, user: UserId) -> Self {
        let class = match bucket {
            Bucket::Promo => Class::ConsumerPromo,
            Bucket::Ad => Class::ConsumerAd,
            Bucket::Paid => Class::ConsumerPaid,
            Bucket::Earned => Class::LenderAvailable,
        };
        Self::of_user(class, user)
    }

    /// What a job holds of a bucket.
    #[must_use]
    pub const fn escrow(bucket: Bucket, job: JobId) -> Self {
        let class = match bucket {
            Bucket::Promo => Class::EscrowPromo,
            Bucket::Ad => Class::EscrowAd,
            Bucket::Paid => Class::EscrowPaid,
            Bucket::Earned => Class::EscrowEarned,
        };
        Self { class, subject: Subject::Job(job) }
    }

    /// Earnings inside the holding period.
    #[must_use]
    pub const fn lender_pending(user: UserId) -> Self {
        Self::of_user(Class::LenderPending, user)
    }

    /// What an ad campaign has left for views.
    #[must_use]
    pub const fn campaign_reserve(campaign: CampaignId) -> Self {
        Self { class: Class::CampaignReserve, subject: Subject::Campaign(campaign) }
    }

    /// What an advertiser has paid in and not yet given to a campaign.
    #[must_use]
    pub const fn advertiser(user: UserId) -> Self {
        Self::of_user(Class::AdvertiserBalance, user)
    }

    /// Money that a payment provider has taken and not yet sent on.
    #[must_use]
    pub const fn psp_clearing(provider: Provider) -> Self {
        Self { class: Class::PspClearing, subject: Subject::Provider(provider) }
    }

    /// The platform's part of the price of an ad's view.
    #[must_use]
    pub const fn ad_margin() -> Self {
        Self::global(Class::IncomeAdMargin)
    }

    /// What fraud cost us.
    #[must_use]
    pub const fn fraud_loss() -> Self {
        Self::global(Class::ExpenseFraudLoss)
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

    /// Its currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.class.currency()
    }

    /// Whom or what it belongs to.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// The person that it belongs to.
    #[must_use]
    pub const fn user(&self) -> Option<UserId> {
        match self.subject {
            Subject::User(user) => Some(user),
            Subject::House | Subject::Job(_) | Subject::Campaign(_) | Subject::Provider(_) => None,
        }
    }

    /// The job that it belongs to.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self.subject {
            Subject::Job(job) => Some(job),
            Subject::House | Subject::User(_) | Subject::Campaign(_) | Subject::Provider(_) => None,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.name())?;
        match &self.subject {
            Subject::House => Ok(()),
            Subject::User(id) => write!(f, ":{id}"),
            Subject::Job(id) => write!(f, ":{id}"),
            Subject::Campaign(id) => write!(f, ":{id}"),
            Subject::Provider(provider) => write!(f, ":{}", provider.name()),
        }
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let (name, subject) = match text.split_once(':') {
            Some((name, subject)) => (name, Some(subject)),
            None => (text, None),
        };
        Class::of_name(name)
            .and_then(|class| {
                Some(Self { class, subject: Subject::parse(class.owner(), subject)? })
            })
            .ok_or_else(|| AccountError(text.to_owned()))
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
