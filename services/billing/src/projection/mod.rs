//! Events to what changes by the second.

pub mod live;
