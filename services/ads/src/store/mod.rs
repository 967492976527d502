//! The views, and the reserve that the log keeps beside its events. The caller owns the
//! transaction.

pub(crate) mod reserve;
pub(crate) mod watches;
