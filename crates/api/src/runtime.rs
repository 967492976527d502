//! Platform runtimes: interpreters that the operator registers once, so that a program can be a
//! script.

use medusa_types::{Sha256Hash, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a runtime runs a script. It never changes for a version of a runtime: jobs depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Calling {
    /// Where the script stands, without the leading slash, like `job/main.py`.
    pub path: String,
    /// Arguments before those of the job, like `/job/main.py`.
    pub args: Vec<String>,
    /// Environment beside that of every guest; nothing that changes from chunk to chunk.
    pub env: Vec<(String, String)>,
    /// Arguments that make the runtime check the script without running it: exit 0 for a good one,
    /// else standard error says what is wrong and where.
    pub check: Vec<String>,
}

/// An interpreter that scripts may be run by, as it is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Runtime {
    /// What it is called, like `python`.
    pub name: String,
    /// Its version, like `3.12.0`.
    pub version: String,
    /// What a script for it ends in, like `.py`.
    pub suffix: String,
    /// What it is, one sentence.
    pub about: String,
    /// The module.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
    /// How it runs a script.
    pub calling: Calling,
    /// When it was added.
    pub added_at: Timestamp,
}

/// What the operator registers: the module is in the object store already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRuntime {
    /// What it is called: 1 to 32 lower-case letters, digits and hyphens.
    pub name: String,
    /// Its version, 1 to 32 letters, digits, points and hyphens.
    pub version: String,
    /// What a script for it ends in, with the point.
    pub suffix: String,
    /// What it is, one sentence.
    pub about: String,
    /// The module.
    pub sha256: Sha256Hash,
    /// How it runs a script.
    pub calling: Calling,
}

/// A program that is a script. In a job's specification it is put there by the server from the
/// program that was chosen, so that the job's first event names the script's digest too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script's text.
    pub sha256: Sha256Hash,
    /// Its length in bytes.
    pub size: u64,
    /// The runtime's name.
    pub runtime: String,
    /// The runtime's version.
    pub version: String,
    /// How the runtime runs it.
    pub calling: Calling,
}
