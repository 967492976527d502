//! Ads: views that pay whoever watches in ad credits, which can be spent and never cashed.
//!
//! Owns the views that were offered and proven, and the house's own campaign, whose card is part of
//! the configuration. Guarantees: a view is paid once, however often it is claimed; nobody has two
//! open offers or more paid views within a day than the cap; every reward comes out of a campaign's
//! funded reserve, and what was promised with the offer is what is paid.
//!
//! What proves a view today is the server's clock and the caps. Whether the page was visible and
//! somebody was there, campaigns of advertisers, reserving at the offer, and review with a holding
//! period are deliberately not here yet.

mod command;
mod config;
mod domain;
mod error;
pub mod http;
mod store;
#[cfg(test)]
mod tests;

pub use command::{AdOffer, AdReward, Ads};
pub use config::{AdsConfig, AdsLimits, Campaign};
pub use error::AdsError;
pub use http::{configure, openapi};
