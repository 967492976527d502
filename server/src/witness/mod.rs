//! Witnesses: asking others to sign the checkpoints of this log, and being one for other logs
//! (C2SP tlog-witness). A witness signs a checkpoint only when it goes on from the last one that it
//! signed, so whoever trusts it sees when a log shows two histories.

mod address;
mod ask;
mod serve;
mod store;

pub(crate) use address::WitnessAddress;
pub(crate) use ask::ask_regularly;
pub(crate) use serve::{WitnessArgs, serve};
