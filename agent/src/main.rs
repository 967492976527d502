//! `medusa-agent`: lends this machine. See the library for everything that it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    medusa_agent::main()
}
