//! The wallet, and the log as consumers, lenders and admins see it.

use medusa_types::{Credits, METER, Sha256Hash, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/wallet`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wallet {
    /// What can be spent now: all buckets together.
    pub available: Credits,
    /// Held for jobs that run.
    pub held: Credits,
    /// Bought credits.
    pub paid: Credits,
    /// Credits from watching ads.
    pub ad: Credits,
    /// Gifts of the house.
    pub promo: Credits,
    /// Earned by lending, not yet through its holding period.
    pub earned_pending: Credits,
    /// Earned by lending, free to spend or cash out.
    pub earned: Credits,
    /// Log position that this answer reflects.
    pub position: i64,
}

/// One movement of a person's credits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementLine {
    /// The event that moved it.
    pub position: i64,
    /// When.
    pub at: Timestamp,
    /// The event's type, like `billing.escrow_held`.
    pub event: String,
    /// What happened, in words.
    pub in_words: String,
    /// The ledger account, like `consumer.promo:usr_…`.
    pub account: String,
    /// What moved; positive is more for the person.
    pub amount: Credits,
    /// The account's balance after it.
    pub balance: Credits,
    /// The stream, like `job-job_…`, to link to.
    pub stream: String,
}

/// `GET /v1/wallet/statement`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatementPage {
    /// Newest first.
    pub items: Vec<StatementLine>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// `GET /v1/tariff`: prices per unit of the meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tariff {
    /// The meter that the fuel price is for.
    pub meter: String,
    /// For 1,000,000,000 units of fuel.
    pub per_gfuel: Credits,
    /// For each GiB of memory that a run may use beyond `memory_free`, in addition to `per_gfuel`.
    #[serde(default)]
    pub per_gfuel_gib: Credits,
    /// Memory that is free, in bytes.
    #[serde(default)]
    pub memory_free: u64,
    /// For 1 GiB of a copy's input and output beyond `transfer_free`.
    #[serde(default)]
    pub per_gib: Credits,
    /// Bytes of each copy's input and output that are free.
    #[serde(default)]
    pub transfer_free: u64,
    /// For starting one copy of one chunk.
    pub per_start: Credits,
    /// The platform's part of every price, in thousandths.
    pub fee_permille: u32,
}

impl Tariff {
    /// The tariff of an installation that sets none.
    #[must_use]
    pub fn usual() -> Self {
        Self {
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
        }
    }

    /// The same prices by so many thousandths, rounded up.
    #[must_use]
    pub fn times(self, permille: u32) -> Self {
        let times = |price: Credits| {
            let micros = price.micros().saturating_mul(i64::from(permille));
            Credits::from_micros(micros.saturating_add(999).checked_div(1_000).unwrap_or_default())
        };
        Self {
            per_gfuel: times(self.per_gfuel),
            per_gfuel_gib: times(self.per_gfuel_gib),
            per_gib: times(self.per_gib),
            per_start: times(self.per_start),
            ..self
        }
    }
}

/// One event of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventEntry {
    /// Its place, from 1 without gaps.
    pub position: i64,
    /// When.
    pub at: Timestamp,
    /// Its type.
    pub event: String,
    /// Its stream.
    pub stream: String,
    /// Its version in the stream.
    pub version: i64,
    /// Leaf hash: SHA-256 of a zero byte and the stored bytes.
    pub leaf: Sha256Hash,
    /// The stored bytes, exactly as they are hashed: a JSON document.
    pub body: String,
}

/// `GET /v1/audit/events`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// In rising order from `from`.
    pub items: Vec<EventEntry>,
    /// Position to ask for next.
    pub next: Option<i64>,
}

/// `GET /v1/audit/head`: the tree over all events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    /// How many events.
    pub size: i64,
    /// RFC 6962 root over their stored bytes.
    pub root: Sha256Hash,
    /// The root as a signed note (C2SP checkpoint).
    pub checkpoint: String,
    /// The public key of the note, as a C2SP verifier key.
    pub verifier_key: String,
}

/// `GET /v1/audit/proof/{position}`: the event is in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InclusionProof {
    /// The event.
    pub position: i64,
    /// Its leaf hash.
    pub leaf: Sha256Hash,
    /// The size of the tree that it is proven against.
    pub size: i64,
    /// That tree's root.
    pub root: Sha256Hash,
    /// Sibling hashes from the leaf up.
    pub path: Vec<Sha256Hash>,
}

/// `POST /v1/admin/verify`, and the output of `medusa audit verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// Whether everything agrees.
    pub ok: bool,
    /// Events that were read.
    pub events: i64,
    /// The recomputed root.
    pub root: Sha256Hash,
    /// Accounts whose balance was recomputed.
    pub accounts: u64,
    /// What disagrees, with the position of the first bad event.
    pub problems: Vec<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}
