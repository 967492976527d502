//! Decisions on plain data: what an address, a name and a code are, what an access token says, and
//! who has to pause. No database, no clock.

mod code;
mod email;
mod jwt;
mod name;
mod throttle;

pub(crate) use code::UserCode;
pub(crate) use email::{Email, check_password};
pub(crate) use jwt::Jwt;
pub(crate) use name::{machine_name, person_name};
pub(crate) use throttle::{Key, Throttle};
