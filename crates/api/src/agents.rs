//! A lent machine from afar: what it says of itself, and what its owner may ask of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an owner asked of a machine on the website. It only lowers what the machine's own settings
/// allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentLimits {
    /// It computes nothing.
    #[serde(default)]
    pub paused: bool,
    /// Chunks at the same time, at most.
    #[serde(default)]
    pub slots: Option<u32>,
    /// Memory for chunks, at most, in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// What a connected machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentNow {
    /// Its program and version.
    pub software: String,
    /// Its engine, if it names one.
    pub engine: Option<String>,
    /// Its system, like `linux x86_64`.
    pub system: String,
    /// Chunks that it runs at the same time now.
    pub slots: u32,
    /// Memory that it lends now, in bytes.
    pub memory_bytes: u64,
    /// What it measured: fuel in a second on one core. For estimates, never for pay.
    pub fuel_per_s: Option<u64>,
    /// The same on all cores that it lends together.
    pub fuel_per_s_all: Option<u64>,
    /// Why it computes less than it could, in its own words; plain text.
    pub why: Option<String>,
}

/// What to change about a machine; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentChange {
    /// Its name, 1 to 60 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it computes nothing until this is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// What it may use at most, in place of what was asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<AgentCaps>,
}

/// What a machine may use at most; what is absent is as much as its own settings allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentCaps {
    /// Chunks at the same time; 1 to 256. To compute nothing is a pause.
    #[serde(default)]
    pub slots: Option<u32>,
    /// Memory for chunks, in bytes; at least 16 MiB.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// The key that a machine signs its results with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentKey {
    /// The Ed25519 public key, 64 hexadecimal digits.
    pub public_key: String,
}
