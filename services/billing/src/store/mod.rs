//! All SQL of this service: the books as the log's read model has them, seen by a person, and the
//! adjustments that wait for a second admin.

pub(crate) mod adjust;
pub(crate) mod balances;
pub(crate) mod statement;
