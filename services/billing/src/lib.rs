//! medusa-billing
