//! Ids of campaigns and views, written like all others: a prefix and 32 hexadecimal digits.

use std::fmt;

use medusa_types::Uuid;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CampaignId(pub Uuid);

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cmp_{}", self.0.simple())
    }
}

/// One view of an ad, from its offer on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchId(pub Uuid);

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wat_{}", self.0.simple())
    }
}

impl Serialize for WatchId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WatchId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let id = text.strip_prefix("wat_").and_then(|hex| Uuid::try_parse(hex).ok()).map(Self);
        // One thing has one name: what is not written as we write it is refused.
        id.filter(|id| id.to_string() == text)
            .ok_or_else(|| D::Error::custom("a view's id is wat_ and 32 hexadecimal digits"))
    }
}
