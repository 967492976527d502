//! Guests against native code. Each kernel of `bench/guests` is compiled here, by gcc for this
//! machine and by clang for guests, and runs in turn native, as a guest without the meter, and as
//! a guest with it. What disturbs the machine disturbs a round, so each round is compared for
//! itself, and the middle one is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use medusa_types::Sha256Hash;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::{median, run};
use crate::figure;
use crate::process::{Folder, checkout, sibling};

const KERNELS: [&str; 4] = ["matmul", "sha256", "blur", "nbody"];
const ROUNDS: u32 = 9;
/// Guests may take so much of native code's time,
const OVER_NATIVE_AIM: f64 = 1.35;
/// and the meter so many percent of that.
const METER_AIM: f64 = 15.0;

#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
pub(super) fn measure() -> Result<()> {
    let folder = Folder::new()?;
    let (mut over_native, mut cost) = (Vec::new(), Vec::new());
    for kernel in KERNELS {
        let (native, guest) = built(kernel, folder.path())?;
        let (mut by_native, mut by_plain) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (native_us, output) = natively(&native)?;
            let wanted = Sha256Hash::of(&output).to_string();
            let [plain_us, metered_us] = ["plain", "metered"].map(|way| -> Result<f64> {
                let probed = probe(way, &guest)?;
                let found = probed.get("output").map(String::as_str).unwrap_or_default();
                ensure!(found == wanted, "{kernel} gives another result as a guest");
                number(&probed, "run_us")
            });
            let metered_us = metered_us?;
            by_native.push(metered_us / native_us);
            by_plain.push((metered_us / plain_us? - 1.0) * 100.0);
        }
        let (by_native, by_plain) = (median(by_native), median(by_plain));
        figure::say(&format!("{kernel}: {by_native:.2} x native, the meter takes {by_plain:.1} %"));
        over_native.push(by_native);
        cost.push(by_plain);
    }
    figure::aimed("guest_over_native_median", median(over_native), "ratio", OVER_NATIVE_AIM);
    figure::aimed("metering_cost", median(cost), "%", METER_AIM);
    Ok(())
}

/// The kernel, compiled for this machine and for guests.
fn built(kernel: &str, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let source = checkout()?.join("bench/guests").join(format!("{kernel}.c"));
    let (native, guest) = (folder.join(kernel), folder.join(format!("{kernel}.wasm")));
    let mut gcc = Command::new("gcc");
    run(gcc.args(["-O3", "-fno-math-errno", "-o"]).arg(&native).arg(&source).arg("-lm"))?;
    let mut clang = Command::new("clang-14");
    clang.args(["--target=wasm32-wasi", "-O3", "-msimd128", "-fno-math-errno", "-o"]);
    run(clang.arg(&guest).arg(&source))?;
    Ok((native, guest))
}

/// Runs a program: microseconds of CPU in its own code, and what it printed.
#[expect(clippy::float_arithmetic, reason = "figures for people; there is no money here")]
fn natively(program: &Path) -> Result<(f64, Vec<u8>)> {
    let before = children_us()?;
    let output = run(&mut Command::new(program))?;
    Ok((children_us()? - before, output))
}

fn children_us() -> Result<f64> {
    let time = getrusage(UsageWho::RUSAGE_CHILDREN)?.user_time().num_microseconds();
    Ok(f64::from(u32::try_from(time)?))
}

/// What the probe says of a module.
pub(super) fn probe(way: &str, module: &Path) -> Result<BTreeMap<String, String>> {
    let line = run(Command::new(sibling("medusa-sandbox-probe")?).arg(way).arg(module))?;
    let line = String::from_utf8(line)?;
    let pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A number of the probe's.
pub(super) fn number(probed: &BTreeMap<String, String>, name: &str) -> Result<f64> {
    let value = probed.get(name).with_context(|| format!("the probe does not tell {name}"))?;
    Ok(value.parse()?)
}
