//! Events to what this service reads: whose jobs are held for, and what changes by the second.

pub mod escrow;
pub mod live;
