//! The one door to the engine: checks, compiles and runs guest programs.
//!
//! [`inspect`] says whether a module may run here at all. [`Modules`] compiles it once and keeps
//! the result. A [`Worker`] is a process that runs it, as often as a job has chunks, and that can
//! be killed; [`Slots`] keep it between chunks of one job. Guests are never compiled or run in the
//! process that calls this crate: the engine works in [`worker_main`] only.
//!
//! The same program with the same [`Task`] gives the same output, outcome and fuel on every
//! machine, whatever its cores, cache or system. The exceptions are the outcomes that are no
//! verdict ([`medusa_types::Outcome::is_verdict`]).

mod blank;
mod brake;
mod child;
mod engine;
mod files;
mod foreign;
mod frames;
mod gate;
mod gauge;
mod imports;
mod live;
mod meter;
mod modules;
mod os;
mod pipes;
mod probe;
mod program;
mod remedy;
mod serve;
mod slots;
mod stop;
mod task;
mod walls;
mod wasi;
mod worker;

pub use child::ChildError;
pub use foreign::Foreign;
pub use gate::{Entry, Inspection, MODULE_BYTES_MAX, Refusal, inspect};
pub use live::{Live, Word};
pub use modules::{CompileError, Compiled, Modules};
pub use probe::probe_main;
pub use serve::worker_main;
pub use slots::{Purpose, Slot, Slots};
pub use task::{Report, Task};
pub use walls::{Wall, Walls};
pub use worker::{Worker, WorkerError};
