//! The program `medusa`: see the library of this package.

fn main() -> std::process::ExitCode {
    medusa_cli::main()
}
