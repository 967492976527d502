//! Measures of work, and the roles of people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The meter that fuel is counted by: engine line and cost table. Another engine line is another
/// meter and another price row.
pub const METER: &str = "wt48-1";

/// The line that stands where the beginning of a standard error was dropped.
pub const STDERR_CUT: &str = "(standard error was cut: earlier lines were dropped)\n";

/// Work done by a guest, in units of the meter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fuel(pub u64);

/// The place of a chunk in its job, from 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChunkIndex(pub u32);

impl fmt::Display for ChunkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a person may do. A person can have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Submits jobs.
    Consumer,
    /// Lends machines.
    Lender,
    /// Audits the ledger and runs the place.
    Admin,
    /// Sees what an admin sees of books and log, and changes nothing.
    Auditor,
}

impl Role {
    /// The name in JSON, tokens and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Lender => "lender",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// Whether it lets somebody read the books and the log of everybody.
    #[must_use]
    pub const fn may_audit(self) -> bool {
        matches!(self, Self::Admin | Self::Auditor)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "consumer" => Ok(Self::Consumer),
            "lender" => Ok(Self::Lender),
            "admin" => Ok(Self::Admin),
            "auditor" => Ok(Self::Auditor),
            _ => Err("a role is consumer, lender, admin or auditor"),
        }
    }
}

/// What one run of a guest program may use. Each limit that is hit has its own [`Outcome`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, minicbor::Encode, minicbor::Decode,
)]
pub struct Limits {
    /// Fuel, counted from after instantiation.
    #[n(0)]
    pub fuel: u64,
    /// Linear memory, in bytes.
    #[n(1)]
    pub memory_bytes: u64,
    /// Standard output and all files of `/out` together, in bytes.
    #[n(2)]
    pub output_bytes: u64,
    /// Standard error that is kept, in bytes. More ends no run: the beginning is dropped, and
    /// [`STDERR_CUT`] stands in its place.
    #[n(3)]
    pub stderr_bytes: u64,
    /// Real time, in milliseconds; the worker process is killed past it.
    #[n(4)]
    pub wall_ms: u64,
}

/// How one run of a guest program ended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    minicbor::Encode,
    minicbor::Decode,
)]
#[serde(rename_all = "snake_case", tag = "kind", content = "code")]
pub enum Outcome {
    /// Exit status 0: the output is a result.
    #[n(0)]
    Done,
    /// The program ended with another exit status.
    #[n(1)]
    Exit(#[n(0)] i32),
    /// The program trapped: unreachable code, a bad memory access, a division by zero.
    #[n(2)]
    Trap,
    /// It used all its fuel.
    #[n(3)]
    FuelOut,
    /// It asked for more memory than its limit.
    #[n(4)]
    MemoryOut,
    /// It wrote more than its limit.
    #[n(5)]
    OutputOut,
    /// It ran longer than its limit of real time. No verdict: machines differ in speed.
    #[n(6)]
    WallOut,
    /// It overflowed its stack. No verdict: the depth is not portable.
    #[n(7)]
    StackOut,
    /// The agent could not run it: no disk, a lost worker, an altered blob. Never the program's
    /// fault, and never paid.
    #[n(8)]
    AgentFault,
    /// It took too long to compile. No verdict: machines differ in speed.
    #[n(9)]
    CompileOut,
    /// It asked for a table with more elements than one may have.
    #[n(10)]
    TableOut,
    /// It made more files than it may, or had more of them open.
    #[n(11)]
    FilesOut,
}

impl Outcome {
    /// Whether every honest agent ends the same way, so that copies can be compared.
    #[must_use]
    pub const fn is_verdict(self) -> bool {
        !matches!(self, Self::WallOut | Self::StackOut | Self::AgentFault | Self::CompileOut)
    }

    /// The nearest outcome that the first version had. Programs of that version tell this one
    /// where a later one has a name of its own.
    #[must_use]
    pub const fn in_first_version(self) -> Self {
        match self {
            Self::CompileOut => Self::AgentFault,
            Self::TableOut => Self::Trap,
            Self::FilesOut => Self::OutputOut,
            first => first,
        }
    }

    /// Whether two versions may mean the same end by these.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        self.in_first_version() == other.in_first_version()
    }

    /// What to tell the consumer, in words.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Done => "finished".into(),
            Self::Exit(code) => format!("the program ended with exit status {code}"),
            Self::Trap => "the program crashed (trap)".into(),
            Self::FuelOut => "the program used all the computing its chunk may use".into(),
            Self::MemoryOut => "the program asked for more memory than the job allows".into(),
            Self::OutputOut => "the program wrote more output than the job allows".into(),
            Self::WallOut => "the program ran longer than the job allows".into(),
            Self::StackOut => "the program overflowed its stack".into(),
            Self::AgentFault => "the agent could not run the chunk".into(),
            Self::CompileOut => "the program took too long to compile".into(),
            Self::TableOut => "the program asked for a larger table than programs may have".into(),
            Self::FilesOut => "the program made or opened more files than programs may have".into(),
        }
    }
}
