//! Decisions on plain data: what an address, a name and a code are, what an access token says, who
//! has to pause, what people are told and where. No database, no clock.

mod code;
mod email;
mod jwt;
mod name;
mod notice;
mod target;
mod throttle;

pub(crate) use code::UserCode;
pub(crate) use email::{Email, check_password};
pub(crate) use jwt::Jwt;
pub(crate) use name::{machine_name, person_name};
pub(crate) use notice::{News, news, next_try, secret_text, signature, test_news};
pub(crate) use target::{TargetRefused, is_public, target};
pub(crate) use throttle::{Key, Throttle};
