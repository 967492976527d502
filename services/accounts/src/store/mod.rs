//! All SQL of people, logins and machines. The caller owns the transaction.

pub(crate) mod agents;
pub(crate) mod devices;
pub(crate) mod logins;
pub(crate) mod people;
