//! Typed ids. Each is a UUID with a prefix that says what it names: `job_0190…`.
//!
//! Ids are made by whoever creates the thing, from a clock and a random generator that are passed
//! in; this file only gives them their types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The text was not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of this kind starts with {prefix}_ and goes on with 32 hexadecimal digits")]
pub struct IdError {
    /// What the id should have started with.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let bad = IdError { prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "_")).ok_or_else(|| bad.clone())?;
                if hex.len() != 32 || hex.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(bad);
                }
                Uuid::try_parse(hex).map(Self).map_err(|_| bad)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A person: consumer, lender, advertiser or admin.
    UserId "usr";
    /// A job.
    JobId "job";
    /// An uploaded guest program, as its owner named it. Its code is addressed by hash.
    ProgramId "prg";
    /// One lent machine.
    AgentId "agt";
    /// The right of one agent to run one copy of one chunk until a deadline.
    LeaseId "lse";
    /// The caller's own id for a command; the same id never takes effect twice.
    OperationId "op";
    /// An ad campaign.
    CampaignId "cmp";
    /// One view of an ad, from its offer on.
    WatchId "wat";
    /// An upload in parts.
    UploadId "upl";
    /// A reservation of credits, until it is posted, voided or expires.
    PendingId "pnd";
    /// A correction of the books that two admins make together.
    AdjustmentId "adj";
    /// An address that is told what happens to a person's jobs.
    WebhookId "whk";
    /// One thing that a person is told, over one way.
    NoticeId "ntc";
    /// A session: rounds of one program on agents that stay. Its escrow is that of the job with
    /// the same number.
    SessionId "ses";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let job = JobId(Uuid::from_u128(7));
        assert_eq!(job.to_string(), "job_00000000000000000000000000000007");
        assert_eq!(job.to_string().parse(), Ok(job));
        assert!(job.to_string().parse::<UserId>().is_err());
        assert!("job_7".parse::<JobId>().is_err());
    }
}
