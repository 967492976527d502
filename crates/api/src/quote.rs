//! A job before it is one: what would run on what, and what it would cost.

use medusa_types::{Credits, Fuel, ProgramId, Sha256Hash, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::billing::Tariff;
use crate::spec::JobSpec;

/// `POST /v1/quotes` and the core of [`JobSubmit`]: what would run on what.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The program.
    pub program: ProgramId,
    /// The input blob; none for a `range`.
    #[serde(default)]
    pub input: Option<Sha256Hash>,
    /// Everything else.
    pub spec: JobSpec,
}

/// What the splitter would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SplitPreview {
    /// How many chunks.
    pub chunks: u32,
    /// Bytes of all chunks' inputs together.
    pub bytes: u64,
    /// Bytes of the largest chunk's input.
    #[serde(default)]
    pub largest: u64,
    /// In words, like `48 tiles of 128 x 128 pixels`.
    pub in_words: String,
}

impl SplitPreview {
    /// Bytes of a chunk's input on average, rounded up.
    #[must_use]
    pub fn average(&self) -> u64 {
        self.bytes.div_ceil(u64::from(self.chunks).max(1))
    }
}

/// A price before anything is paid. Valid for the job that names it, until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quote {
    /// Name it in [`JobSubmit`].
    pub id: String,
    /// The split.
    pub split: SplitPreview,
    /// Likely lowest price.
    pub low: Credits,
    /// Likely price.
    pub likely: Credits,
    /// What is held, and never exceeded.
    pub hold: Credits,
    /// What checking is expected to add to `likely`: second copies, their fee included.
    pub verification: Credits,
    /// Part of `likely` that is the platform's fee.
    pub fee: Credits,
    /// What `likely` is made of; the sum is `likely`.
    #[serde(default)]
    pub breakdown: Breakdown,
    /// The part of the chunks that is expected to get a second copy, in millionths.
    #[serde(default)]
    pub twice_ppm: u32,
    /// What putting the results together by a program adds to the chunks.
    #[serde(default)]
    pub merging: Option<MergePreview>,
    /// The prices that the job will be settled by.
    pub tariff: Tariff,
    /// Fuel of the sample chunk.
    pub sample_fuel: Fuel,
    /// Bytes of its result.
    #[serde(default)]
    pub sample_output: u64,
    /// Standard error of the sample chunk.
    pub sample_stderr: String,
    /// How long it takes with the agents that are online; none are: absent.
    #[serde(default)]
    pub time: Option<TimeRange>,
    /// Agents online that could take part.
    pub agents: u32,
    /// Until when it is valid.
    pub expires_at: Timestamp,
}

/// `POST /v1/jobs`: accept a quote.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSubmit {
    /// The quote.
    pub quote: String,
    /// Hold at most so much, less than the quote's hold: when it is spent, the job pauses and can
    /// be given more. It must allow one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Credits>,
}

impl JobSubmit {
    /// Accepts a quote with the hold that it names.
    #[must_use]
    pub const fn of(quote: String) -> Self {
        Self { quote, budget: None }
    }
}

/// What a likely price is made of, each part without the fee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breakdown {
    /// Fuel of one copy of every chunk.
    pub compute: Credits,
    /// Memory beyond what is free, while that is computed.
    #[serde(default)]
    pub memory: Credits,
    /// Input and output of one copy of every chunk, beyond what is free.
    #[serde(default)]
    pub transfer: Credits,
    /// Starting one copy of every chunk.
    pub start: Credits,
    /// The second copies that are expected.
    pub verification: Credits,
    /// The platform's fee on all of it.
    pub fee: Credits,
}

impl Breakdown {
    /// Each part with its name, in the order in which they are shown.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, Credits); 6] {
        [
            ("computing", self.compute),
            ("memory", self.memory),
            ("transfer", self.transfer),
            ("starting chunks", self.start),
            ("checking", self.verification),
            ("fee", self.fee),
        ]
    }

    /// All parts together.
    #[must_use]
    pub fn sum(&self) -> Credits {
        self.parts().into_iter().fold(Credits::ZERO, |sum, (_, part)| sum.saturating_add(part))
    }
}

/// Between which durations a job is expected to end, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimeRange {
    /// All slots that are online work for it alone, each as fast as the server.
    pub low: u64,
    /// It gets its share beside other consumers' jobs, on machines half as fast.
    pub high: u64,
}

/// What putting the results together by a program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergePreview {
    /// Runs, beside those of the chunks.
    pub nodes: u32,
    /// Fuel of a sample run, over copies of the sample chunk's result.
    pub sample_fuel: Fuel,
    /// Bytes that it read and wrote.
    #[serde(default)]
    pub sample_bytes: u64,
}
