//! Every rule is silent on a right log, and tells of its fault.

mod checks;
mod faults;
mod rounds;
mod world;
