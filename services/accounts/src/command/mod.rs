//! What can be asked of the service, by subject.

mod device;
mod login;
mod machines;
mod notices;
mod people;
mod tokens;

pub use device::AgentRow;
pub use login::BrowserLogin;
