//! Cutting an input into chunks.
//!
//! [`plan`] looks at the whole input once and says what each chunk gets, without the bytes where a
//! range will do, and as a rule where there is one. A plan is a function of the splitter and the
//! input alone: its JSON is hashed into the log. [`Inputs`] gives the bytes of one chunk whenever
//! they are needed, any number of times.
//!
//! Inputs are hostile until proven otherwise: everything here reads them in pieces, counts while it
//! inflates, and refuses with a reason. Work that takes long runs on the blocking pool.

mod archive;
mod blob_io;
mod chunks;
mod cut;
mod describe;
mod error;
mod expand;
mod inputs;
mod json;
mod meter;
mod name;
mod netpbm;
mod own;
mod picture;
mod plan;
mod png_file;
mod scan;
mod table;
mod tiff_file;
mod tile;
mod trial;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use blob_io::{BlobWriter, Trouble, in_turn};
pub use chunks::{ChunkInputs, Ranges, Rule, Steps, Tiles};
pub use describe::describe;
pub(crate) use describe::glance;
pub use error::SplitError;
pub use inputs::{Inputs, Resolved, Source};
pub use json::Axis;
pub use plan::{
    CHUNK_BYTES_MAX, CHUNKS_MAX, ChunkInput, FileInput, Measure, Picture, Pieces, Plan,
};
pub(crate) use scan::plan_written;
pub use scan::{Planned, plan};
pub(crate) use trial::{Trial, trial};
