//! The rules of sessions, without a socket, a clock or a database.

mod bill;
pub mod code;
#[cfg(test)]
mod dice;
mod reduce;
mod round;
mod table;

pub use bill::{Bill, Terms, Window};
pub use reduce::{Nan, Ready, ReduceError, Reducer};
pub use round::AnswerError;
pub use table::{Out, Rules, Table};
