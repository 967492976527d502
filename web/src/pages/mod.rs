//! The pages, one file for each part of the site.

mod account;
mod control;
mod desk;
mod docs;
mod earn;
mod event;
mod home;
mod lend;
mod lend_machine;
mod notices;
mod record;
mod routes;
mod wallet;
mod work;

pub(crate) use routes::routes;
