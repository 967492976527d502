//! The figures of one module, for `./dev bench agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    medusa_sandbox::probe_main()
}
