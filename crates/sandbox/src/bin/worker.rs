//! The worker process alone, for tests and tools. Agents and servers are their own workers.

use std::process::ExitCode;

fn main() -> ExitCode {
    medusa_sandbox::worker_main()
}
