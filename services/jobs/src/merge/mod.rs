//! Putting the chunks' results together.
//!
//! [`merge`] makes one result file for each rule, a function of the rules, the plan and the chunks'
//! bundles alone. Bundles are read in turn and results are stored while they are made, so memory
//! holds a few bundles and what the rule itself must keep: nothing for `concat`, 16 bytes a file
//! for `zip`, one row of tiles for `tiles`, one number row a key for `sum` and `mean`, all rows for
//! a sorted `csv` (bounded).

mod archive;
mod error;
mod join;
mod json;
pub(crate) mod node;
mod number;
mod pnm;
mod rows;
mod run;
mod stitch;
pub(crate) mod tried;

#[cfg(test)]
mod tests;

pub use error::MergeError;
pub use run::merge;
pub(crate) use run::merge_some;
