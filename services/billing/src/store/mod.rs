//! Reading the balances and statement lines that the log keeps beside its events.

pub(crate) mod balances;
pub(crate) mod statement;
