//! What the frames say. Keys are never reused; new fields are optional.

use medusa_types::{Limits, Outcome};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::frame::FrameError;

/// Inputs and outputs up to this size travel inside the frame; larger ones go over HTTP.
pub const INLINE_BYTES_MAX: usize = 256 * 1024;
/// Programs that an agent says it has compiled.
pub const CACHED_MAX: usize = 64;
/// Characters of a reason that an agent gives for computing less.
pub const WHY_CHARS_MAX: usize = 200;
/// Programs that a server names for compiling beforehand.
pub const AHEAD_MAX: usize = 4;

/// Agent to server, first: who it is and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// The agent's version of the program, for people.
    #[n(0)]
    pub software: String,
    /// The meter its engine counts by; leases are given only for this one.
    #[n(1)]
    pub meter: String,
    /// Chunks it runs at the same time.
    #[n(2)]
    pub slots: u32,
    /// Memory it lends, in bytes.
    #[n(3)]
    pub memory_bytes: u64,
    /// Instruction set, like `x86_64`.
    #[n(4)]
    pub arch: String,
    /// Operating system, like `linux`.
    #[n(5)]
    pub os: String,
    /// Whether it takes no work for now.
    #[n(6)]
    pub paused: bool,
    /// What it understands beyond the first version: see [`crate::Features`].
    #[cbor(n(7), default)]
    pub features: Vec<String>,
    /// Its engine, for people.
    #[n(8)]
    pub engine: Option<String>,
    /// What it measured of itself; for estimates, never for pay.
    #[n(9)]
    pub speed: Option<Speed>,
    /// Programs that it has compiled, the last used first; at most [`CACHED_MAX`].
    #[cbor(n(10), default)]
    pub cached: Vec<ByteArray<32>>,
}

/// What guest kernels did on an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Speed {
    /// Fuel in a second, on one core.
    #[n(0)]
    pub one: u64,
    /// Fuel in a second, on all cores that it lends together.
    #[n(1)]
    pub all: u64,
}

/// Server to agent, in answer to [`Hello`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The agent's id.
    #[n(0)]
    pub agent: String,
    /// The name its owner gave it.
    #[n(1)]
    pub name: String,
    /// Send a [`Pulse`] at least this often.
    #[n(2)]
    pub heartbeat_ms: u64,
    /// What the server understands beyond the first version.
    #[cbor(n(3), default)]
    pub features: Vec<String>,
}

/// A blob that the agent fetches over HTTP and checks against its hash.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Blob {
    /// SHA-256 of the whole blob.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub sha256: [u8; 32],
    /// Its length in bytes.
    #[n(1)]
    pub size: u64,
    /// Path and query on the server, with a ticket that lets this agent read it for a while.
    #[n(2)]
    pub path: String,
}

/// Where a piece of input is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Part {
    /// The next so many bytes of the frame's payload.
    #[n(0)]
    Inline(#[n(0)] u64),
    /// A range of a blob.
    #[n(1)]
    Range {
        /// The blob.
        #[n(0)]
        blob: Blob,
        /// First byte.
        #[n(1)]
        offset: u64,
        /// Bytes.
        #[n(2)]
        len: u64,
    },
    /// The next so many bytes of the frame's payload, and after them a range of a blob.
    #[n(2)]
    Headed {
        /// Bytes of the payload.
        #[n(0)]
        head: u64,
        /// The blob.
        #[n(1)]
        blob: Blob,
        /// First byte.
        #[n(2)]
        offset: u64,
        /// Bytes of the range.
        #[n(3)]
        len: u64,
    },
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FilePart {
    /// Where the guest finds it, without the leading slash: `in/…`, `data/…` or `job/…`.
    #[n(0)]
    pub path: String,
    /// Its content.
    #[n(1)]
    pub part: Part,
}

/// Server to agent: run one copy of one chunk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lease {
    /// The lease's id; the report names it.
    #[n(0)]
    pub lease: String,
    /// The job, for the agent's page and for keeping a worker between chunks of one job.
    #[n(1)]
    pub job: String,
    /// What the job is called, for the agent's page.
    #[n(2)]
    pub job_name: String,
    /// The chunk's index.
    #[n(3)]
    pub chunk: u32,
    /// How many chunks the job has.
    #[n(4)]
    pub chunks: u32,
    /// The module.
    #[n(5)]
    pub program: Blob,
    /// Arguments after `argv[0]`, which is `guest`.
    #[n(6)]
    pub args: Vec<String>,
    /// The chunk's seed: clock and randomness of the guest come from it.
    #[n(7)]
    pub seed: u64,
    /// What the guest takes for the time, in milliseconds since 1970.
    #[n(8)]
    pub clock_ms: u64,
    /// What the run may use.
    #[n(9)]
    pub limits: Limits,
    /// Standard input; absent is empty.
    #[n(10)]
    pub stdin: Option<Part>,
    /// Input files.
    #[n(11)]
    pub files: Vec<FilePart>,
    /// Canonicalise NaN.
    #[n(12)]
    pub strict: bool,
    /// The report counts until so many milliseconds from now.
    #[n(13)]
    pub deadline_ms: u64,
    /// Where to `PUT` an output that is larger than [`INLINE_BYTES_MAX`].
    #[n(14)]
    pub upload_path: String,
    /// Environment of the guest beside that of [`guest_env`].
    #[cbor(n(15), default)]
    pub env: Vec<(String, String)>,
    /// What the chunk may take, by the sample; for showing how far it is, never a limit.
    #[n(16)]
    pub fuel_estimate: Option<u64>,
    /// It is a seat of a session: the program stays and answers rounds that come over a WebSocket
    /// of its own, here. An address, or path and query on the server. Needs [`crate::SESSION`].
    #[n(17)]
    pub home: Option<String>,
}

/// Agent to server: how a lease ended. A small output is the frame's payload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// The lease.
    #[n(0)]
    pub lease: String,
    /// How it ended.
    #[n(1)]
    pub outcome: Outcome,
    /// Fuel used, by the meter.
    #[n(2)]
    pub fuel: u64,
    /// SHA-256 of the encoded bundle.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub output: [u8; 32],
    /// Length of the encoded bundle.
    #[n(4)]
    pub output_bytes: u64,
    /// Whether the bundle was uploaded; otherwise it is the payload.
    #[n(5)]
    pub uploaded: bool,
    /// The end of standard error, and the reason of a trap.
    #[n(6)]
    pub stderr: String,
    /// Processor time of the run, in milliseconds; for estimates, never for pay.
    #[n(7)]
    pub cpu_ms: u64,
    /// The agent's signature over [`crate::signed_bytes`], of an agent that has a key.
    #[n(8)]
    pub signature: Option<ByteArray<64>>,
}

/// How far a lease is, as a pulse tells it, from the first step to the last. A number that is not
/// known says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its program or its input is on the way.
    Fetching,
    /// Its program is being compiled.
    Compiling,
    /// It waits for a free slot.
    Waiting,
    /// It runs.
    Computing,
    /// Its result is on the way.
    Reporting,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Fetching, Self::Compiling, Self::Waiting, Self::Computing, Self::Reporting];

    /// The phase with this number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Fetching => 0,
            Self::Compiling => 1,
            Self::Waiting => 2,
            Self::Computing => 3,
            Self::Reporting => 4,
        }
    }
}

/// Agent to server: it lives. Sent on time and whenever something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Pulse {
    /// Whether it takes no new work.
    #[n(0)]
    pub paused: bool,
    /// Leases it is working on; the server renews them.
    #[n(1)]
    pub running: Vec<String>,
    /// Chunks that it may run at the same time now; absent is as many as in [`Hello`].
    #[n(2)]
    pub slots: Option<u32>,
    /// Why it computes less than it could, in words for its owner; at most [`WHY_CHARS_MAX`].
    #[n(3)]
    pub why: Option<String>,
    /// How far each lease of `running` is, in the same order: see [`Phase::number`].
    #[cbor(n(4), default)]
    pub phases: Vec<u8>,
    /// Programs that it has compiled, as in [`Hello`]; absent when that is as it was told last.
    #[n(5)]
    pub cached: Option<Vec<ByteArray<32>>>,
    /// Memory that it lends now, in bytes; absent is as much as in [`Hello`].
    #[n(6)]
    pub memory_bytes: Option<u64>,
}

/// Server to agent: stop this lease; no report is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cancel {
    /// The lease.
    #[n(0)]
    pub lease: String,
}

/// Server to agent: what its owner asked for on the website. It holds until the next one, and can
/// only lower what the machine's own settings allow. Needs [`crate::SETTINGS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Settings {
    /// Compute nothing.
    #[n(0)]
    pub paused: bool,
    /// Chunks at the same time, at most.
    #[n(1)]
    pub slots: Option<u32>,
    /// Memory for chunks, at most, in bytes.
    #[n(2)]
    pub memory_bytes: Option<u64>,
    /// Words for whoever looks at the agent's page.
    #[n(3)]
    pub note: Option<String>,
    /// The machine's name, which its owner may have changed.
    #[n(4)]
    pub name: Option<String>,
    /// Programs of jobs that wait, to be compiled while nothing else is done; at most
    /// [`AHEAD_MAX`].
    #[cbor(n(5), default)]
    pub ahead: Vec<Ahead>,
}

/// A program that may be needed soon.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ahead {
    /// The module.
    #[n(0)]
    pub program: Blob,
    /// Canonicalise NaN.
    #[n(1)]
    pub strict: bool,
}

/// Agent to server: this lease is handed back without a fault, because nothing computes here for a
/// while, or because it needs more than this machine lends. Needs [`crate::YIELD`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Yield {
    /// The lease.
    #[n(0)]
    pub lease: String,
    /// It needs more memory than this machine lends.
    #[cbor(n(1), default)]
    pub too_large: bool,
}

/// Every message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Kind 1, agent to server.
    Hello(Hello),
    /// Kind 2, server to agent.
    Welcome(Welcome),
    /// Kind 3, server to agent.
    Lease(Box<Lease>),
    /// Kind 4, server to agent.
    Cancel(Cancel),
    /// Kind 5, agent to server.
    Report(Report),
    /// Kind 6, agent to server.
    Pulse(Pulse),
    /// Kind 7, server to agent.
    Settings(Settings),
    /// Kind 8, agent to server.
    Yield(Yield),
}

impl Message {
    pub(crate) const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Welcome(_) => 2,
            Self::Lease(_) => 3,
            Self::Cancel(_) => 4,
            Self::Report(_) => 5,
            Self::Pulse(_) => 6,
            Self::Settings(_) => 7,
            Self::Yield(_) => 8,
        }
    }

    pub(crate) fn encode_body(&self) -> Vec<u8> {
        let encoded = match self {
            Self::Hello(m) => minicbor::to_vec(m),
            Self::Welcome(m) => minicbor::to_vec(m),
            Self::Lease(m) => minicbor::to_vec(m),
            Self::Cancel(m) => minicbor::to_vec(m),
            Self::Report(m) => minicbor::to_vec(m),
            Self::Pulse(m) => minicbor::to_vec(m),
            Self::Settings(m) => minicbor::to_vec(m),
            Self::Yield(m) => minicbor::to_vec(m),
        };
        // Writing to memory cannot fail: the error type of the writer is `Infallible`.
        encoded.unwrap_or_default()
    }

    pub(crate) fn decode_body(kind: u8, body: &[u8]) -> Result<Self, FrameError> {
        let message = match kind {
            1 => minicbor::decode(body).map(Self::Hello),
            2 => minicbor::decode(body).map(Self::Welcome),
            3 => minicbor::decode(body).map(|m| Self::Lease(Box::new(m))),
            4 => minicbor::decode(body).map(Self::Cancel),
            5 => minicbor::decode(body).map(Self::Report),
            6 => minicbor::decode(body).map(Self::Pulse),
            7 => minicbor::decode(body).map(Self::Settings),
            8 => minicbor::decode(body).map(Self::Yield),
            other => return Err(FrameError::Kind(other)),
        };
        message.map_err(FrameError::Body)
    }
}

/// The environment of a guest: the same in the server's sandbox and on every agent, because a
/// program can print it.
#[must_use]
pub fn guest_env(chunk: u32, chunks: u32, seed: u64) -> Vec<(String, String)> {
    vec![
        ("MEDUSA_CHUNK".to_owned(), chunk.to_string()),
        ("MEDUSA_CHUNKS".to_owned(), chunks.to_string()),
        ("MEDUSA_SEED".to_owned(), seed.to_string()),
    ]
}
