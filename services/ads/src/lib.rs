//! medusa-ads
