//! Frames from a peer that is older, newer, broken or hostile: reading one never panics, and what
//! was read is written in one way only.
//!
//! Mutation happens within ordinary tests, because coverage-guided fuzzing (`cargo fuzz`) needs a
//! nightly compiler, which this project does not use; `MEDUSA_FUZZ=n` asks for n cases.

// Clippy knows the helpers of tests by the attribute.
#[cfg(test)]
mod changed;
#[cfg(test)]
mod samples;
