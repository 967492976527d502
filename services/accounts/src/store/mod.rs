//! All SQL of people, logins, machines and notices. The caller owns the transaction.

pub(crate) mod agents;
pub(crate) mod devices;
pub(crate) mod logins;
pub(crate) mod notices;
pub(crate) mod people;
