//! How long a module takes to compile, by the size of its code: that of a real program, if
//! `./dev test` has fetched one, else the examples'.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::kernels::{number, probe};
use super::{median, run};
use crate::figure;
use crate::process::checkout;

/// A renderer of pictures, with 2 MB of code.
const PROGRAM: &str = "resvg";
const ROUNDS: u32 = 3;

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(super) fn measure() -> Result<()> {
    let modules = match fetched() {
        Ok(module) => vec![module],
        Err(error) => {
            figure::say(&format!(
                "compiling the examples, because {PROGRAM} is missing: {error:#}"
            ));
            let examples = checkout()?.join("examples");
            let name = |name: &str| examples.join(name).join(format!("{name}.wasm"));
            ["cells", "chapters", "pi", "words"].map(name).to_vec()
        }
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (mut us, mut bytes) = (0.0, 0.0);
        for module in &modules {
            let probed = probe("metered", module)?;
            us += number(&probed, "compile_us")?;
            bytes += number(&probed, "code_bytes")?;
        }
        // Microseconds a byte are seconds a megabyte.
        rounds.push(us / bytes * 1_000.0);
    }
    figure::ms("compile_ms_per_mb", median(rounds));
    Ok(())
}

/// Where the tests keep the program that others built.
fn fetched() -> Result<PathBuf> {
    let folder = checkout()?.join("crates/sandbox/tests/programs");
    let modules = std::fs::read_to_string(folder.join("modules.txt"))?;
    let line = modules.lines().find(|line| line.contains(PROGRAM)).unwrap_or_default();
    let digest = line.split(' ').next().unwrap_or_default();
    let kept = String::from_utf8(run(Command::new("python3").arg(folder.join("fetch.py")))?)?;
    Ok(PathBuf::from(kept.trim_end()).join(format!("{digest}.wasm")))
}
