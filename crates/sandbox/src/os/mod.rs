//! What is asked of the operating system, one module for each: what a worker process gives up, how
//! its parent holds it, weighs it and shares memory with it, and its plain input and output.
//! Outside this folder nothing knows which system it is, and a process is its number.
//!
//! What a system does not have, it says: a wall is [`Wall::Missing`](crate::walls::Wall::Missing),
//! an action [`std::io::ErrorKind::Unsupported`], a figure none or zero.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as here;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as here;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as family;
#[cfg(not(target_os = "linux"))]
mod unshared;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as family;
#[cfg(windows)]
use windows as here;

pub(crate) use family::{
    become_nobody, cpu_times, hold, limit_cpu, limit_files, limit_memory, raise, read_input,
    write_output,
};
pub(crate) use here::{Memory, close_doors, put_last, resident_bytes};
