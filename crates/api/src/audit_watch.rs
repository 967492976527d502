//! The log as the audit desk watches it: events by filter, invariants, checkpoints, projections.
//!
//! Positions count from 1; times are microseconds since 1970. Queries are the parts after the
//! question mark; a field that is not named filters nothing.

use medusa_types::{Sha256Hash, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::audit_books::Currency;

/// How a list leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// The JSON shape.
    #[default]
    Json,
    /// RFC 4180 with a header line: one row an item, columns named as the item's fields.
    Csv,
}

/// Every list of the desk takes this beside its own query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `json`, or `csv`.
    #[serde(default)]
    #[param(inline)]
    pub format: ExportFormat,
}

/// Which end of the log comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventOrder {
    /// The newest.
    #[default]
    Newest,
    /// The oldest: with the last page's `next`, a live tail.
    Oldest,
}

/// Which events to list: those that meet all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// The beginning of the type, like `billing.` or `billing.escrow_held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The whole stream, like `job-job_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Who caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub actor: Option<UserId>,
    /// The whole text of an account that it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The position of the event that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<i64>,
    /// Only from this position on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Only up to this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// Not earlier than this: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>)]
    pub since: Option<Timestamp>,
    /// Not later than this: microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i64>)]
    pub until: Option<Timestamp>,
    /// `newest` first, or `oldest`.
    #[serde(default)]
    #[param(inline)]
    pub order: EventOrder,
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many: 50 when not named, 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What one event moved on one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The account's text.
    pub account: String,
    /// Its currency.
    pub currency: Currency,
    /// What it gained, as signed decimal text.
    pub amount: String,
}

/// One event in a list. The stored bytes and the proof are at `/v1/audit/events/{position}` and
/// `/v1/audit/proof/{position}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSummary {
    /// Its place in the log.
    pub position: i64,
    /// When.
    pub at: Timestamp,
    /// Its type, like `billing.escrow_held`.
    pub event: String,
    /// Its stream.
    pub stream: String,
    /// Its version in the stream.
    pub version: i64,
    /// The person who caused it; none for the house.
    pub actor: Option<UserId>,
    /// The position of the event that led to it.
    pub causation: Option<i64>,
    /// What it moved, at most the first 20 postings.
    pub moved: Vec<Moved>,
    /// How many postings it has in all.
    pub postings: u32,
}

/// `GET /v1/admin/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventSummaryPage {
    /// In the order that was asked for.
    pub items: Vec<EventSummary>,
    /// Cursor of the next page; none when every event up to `head` was looked at.
    pub next: Option<String>,
    /// The last position of the log when it was looked at: a tail goes on from the one after it.
    pub head: i64,
}

/// One invariant, and what the continuous check found last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvariantStatus {
    /// Its stable id, like `I01` or `L04`.
    pub id: String,
    /// What holds, in words: `positions have no gaps`.
    pub name: String,
    /// What it means for the reader when it does not hold, in one or two sentences.
    pub meaning: String,
    /// When it was last checked; none before the first time.
    pub checked_at: Option<Timestamp>,
    /// Up to here it was checked.
    pub position: i64,
    /// How many places break it; 0 is good.
    pub bad: u64,
    /// The first position that breaks it, where the break has one.
    pub first_bad: Option<i64>,
    /// What breaks it first, in words; when it holds, what else there is to say, if anything.
    pub detail: String,
    /// Whether there is nothing yet that it is about: then it holds, and says nothing.
    #[serde(default)]
    pub idle: bool,
}

/// `GET /v1/admin/invariants`, and the answer of `POST /v1/admin/invariants/check`, which begins a
/// check of everything: what it found is here once `checking` is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invariants {
    /// By id.
    pub items: Vec<InvariantStatus>,
    /// The last position of the log.
    pub head: i64,
    /// The check of what is old, which goes round and round.
    #[serde(default)]
    pub round: InvariantRound,
    /// Whether a check of everything that somebody asked for is running.
    #[serde(default)]
    pub checking: bool,
}

/// Old events and accounts are looked at again, a part each minute: where that is, and what the
/// last whole round saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvariantRound {
    /// The last event that the present round has seen; 0 when one is about to begin.
    pub position: i64,
    /// When the last whole round over the events ended.
    pub events_at: Option<Timestamp>,
    /// Events that it saw.
    pub events: i64,
    /// When the last whole round over the accounts ended.
    pub accounts_at: Option<Timestamp>,
    /// Accounts that it saw.
    pub accounts: i64,
}

/// A witness that signed a checkpoint of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cosigned {
    /// The witness's name.
    pub witness: String,
    /// When it signed, by its own clock.
    pub at: Timestamp,
}

/// A signed head of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointSummary {
    /// How many events it covers.
    pub size: i64,
    /// The root over them.
    pub root: Sha256Hash,
    /// When it was signed.
    pub at: Timestamp,
    /// The witnesses that signed it too, by name.
    pub cosigned: Vec<Cosigned>,
    /// The signed note with all its signature lines.
    pub note: String,
}

/// Which checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CheckpointQuery {
    /// The cursor of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// At most so many: 50 when not named, 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/admin/checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckpointPage {
    /// Largest first.
    pub items: Vec<CheckpointSummary>,
    /// The names of all witnesses that are asked to sign.
    pub witnesses: Vec<String>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// The last time that a projection was built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebuilt {
    /// When it was done.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Rows that came out different from before.
    pub differences: u64,
}

/// How far a read model has read the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectionStatus {
    /// Its name, like `jobs` or `wallet.live`.
    pub name: String,
    /// The last event that it has applied.
    pub position: i64,
    /// The last event of the log.
    pub head: i64,
    /// How many it has still to apply.
    pub lag_events: u64,
    /// Age of the oldest event that it has still to apply, in milliseconds; none without lag.
    pub lag_ms: Option<u64>,
    /// The last rebuild; none when there was none.
    pub rebuilt: Option<Rebuilt>,
    /// Whether where it stands did not answer: then its position is not known, and told as 0.
    #[serde(default)]
    pub away: bool,
}

/// `GET /v1/admin/projections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Projections {
    /// By name.
    pub items: Vec<ProjectionStatus>,
}
