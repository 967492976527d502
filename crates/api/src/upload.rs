//! Uploads in parts, for what is too large for one request, or for a line that breaks.

use medusa_types::{Sha256Hash, UploadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::jobs::BlobInfo;

/// `POST /v1/uploads`. With a digest, an upload of the same bytes that this person has begun is
/// found again; bytes that this person has uploaded before need not be sent at all.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// Bytes of the whole, at least 1.
    pub size: u64,
    /// What the whole must have, when it is known.
    #[serde(default)]
    pub sha256: Option<Sha256Hash>,
}

/// Where an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// It waits for the part that begins at `received`.
    Open,
    /// Everything is there and is being put together.
    Joining,
    /// It is a blob.
    Done,
    /// It has not the announced digest; begin again.
    Refused,
}

/// An upload in parts. One that nothing happens to for a week is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Bytes of the whole.
    pub size: u64,
    /// Bytes that are there without a gap from the beginning.
    pub received: u64,
    /// What is not there yet, in order; at most the first 1,000 stretches.
    #[serde(default)]
    pub missing: Vec<ByteRange>,
    /// Bytes that are put together already.
    pub joined: u64,
    /// Where it is.
    pub state: UploadState,
    /// What it became, when it is done.
    pub blob: Option<BlobInfo>,
    /// The most bytes of one part.
    pub part_bytes_max: u64,
    /// A part begins where something is missing: at the beginning of such a stretch, or at a
    /// multiple of this inside it. So several parts can be on their way at once.
    #[serde(default)]
    pub part_bytes: u64,
}

/// A stretch of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// One past the last byte.
    pub end: u64,
}
