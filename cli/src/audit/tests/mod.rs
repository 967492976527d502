//! A right log in an export, every way to make it wrong, and a server that gives it away.

mod attacks;
mod chart;
mod exports;
mod log;
mod python;
