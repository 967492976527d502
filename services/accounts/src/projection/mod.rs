//! What follows the log.

pub(crate) mod notices;
