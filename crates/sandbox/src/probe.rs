//! Measures one module in the process that calls this: what compiling it takes, what running it
//! takes with the meter in it, and without. Only for figures: what runs here is vouched for by the
//! caller, no wall stands around it, and nobody is billed for it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use medusa_types::{Bundle, Limits, Sha256Hash};
use wasmtime::Module;

use crate::meter::{self, Counter};
use crate::program::Program;
use crate::task::{Report, Task};
use crate::{engine, gate, os};

/// Answers `plain FILE` or `metered FILE` with one line of figures:
/// `compile_us=… code_bytes=… compiled_bytes=… run_us=… wall_us=… fuel=… outcome=… output=…`;
/// `code_bytes` is the size of the code as it came, `wall_us` is real time, the others are CPU.
#[must_use]
pub fn probe_main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let answer = match (args.next().as_deref(), args.next()) {
        (Some("plain"), Some(file)) => probe(Path::new(&file), false),
        (Some("metered"), Some(file)) => probe(Path::new(&file), true),
        _ => Err("say plain or metered, and a file".to_owned()),
    };
    let (mut stream, text, code): (Box<dyn Write>, _, _) = match answer {
        Ok(line) => (Box::new(io::stdout()), line, ExitCode::SUCCESS),
        Err(error) => (Box::new(io::stderr()), error, ExitCode::FAILURE),
    };
    // Nobody listens any more when this fails.
    writeln!(stream, "{text}").unwrap_or_default();
    code
}

fn probe(file: &Path, metered: bool) -> Result<String, String> {
    let words = |error: wasmtime::Error| format!("{error:#}");
    let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let code_bytes = gate::inspect(&wasm).map_err(|error| error.to_string())?.code_bytes;
    let rewrite = if metered { meter::rewrite } else { meter::unmetered };
    let engine = engine::engine(false).map_err(words)?;
    let started = cpu_us();
    let module = rewrite(&wasm).map_err(|error| error.to_string())?;
    let module = Module::new(&engine, &module).map_err(words)?;
    let compile_us = cpu_us().saturating_sub(started);
    let compiled_bytes = module.serialize().map_err(words)?.len();
    let counter = Counter::name(&module).ok_or("the module has no counter")?;
    let program = Program::new(engine, &module, counter).map_err(words)?;
    let started = cpu_us();
    let clock = Instant::now();
    let report = program.run(task())?;
    let (run_us, wall_us) = (cpu_us().saturating_sub(started), clock.elapsed().as_micros());
    let output = output(&report);
    let (outcome, fuel) = (report.outcome, report.fuel);
    Ok(format!(
        "compile_us={compile_us} code_bytes={code_bytes} compiled_bytes={compiled_bytes} \
         run_us={run_us} wall_us={wall_us} fuel={fuel} outcome={outcome:?} output={output}"
    ))
}

/// The digest of what it wrote to standard output.
fn output(report: &Report) -> String {
    let bundle = Bundle::decode(&report.output).ok();
    bundle.map(|bundle| Sha256Hash::of(bundle.stdout()).to_string()).unwrap_or_default()
}

/// A run without input and without limits that matter.
fn task() -> Task {
    Task::empty(Limits {
        fuel: u64::MAX,
        memory_bytes: 1 << 30,
        output_bytes: 1 << 20,
        stderr_bytes: 1 << 16,
        wall_ms: u64::MAX,
    })
}

/// CPU time of this process, in microseconds.
fn cpu_us() -> u64 {
    let [own, kernel] = os::cpu_times().map(|time| time.as_micros());
    u64::try_from(own.saturating_add(kernel)).unwrap_or_default()
}
