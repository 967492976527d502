//! The views, and the reserve as the log's books have it. The caller owns the transaction.

pub(crate) mod reserve;
pub(crate) mod watches;
