//! Modules that nobody would write, through the gate: it never panics, takes long or lets through
//! what the compiler cannot bear. And compiled code that changed on disk: it is never loaded.
//!
//! Mutation happens within ordinary tests, because coverage-guided fuzzing (`cargo fuzz`) needs a
//! nightly compiler, which this project does not use; `MEDUSA_FUZZ=n` asks for n modules of each
//! kind, and for the compilation of every one that passes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::integer_division,
    clippy::print_stdout,
    reason = "the shorthands that tests share are no tests by name"
)]

mod folder;
#[path = "determinism/guests.rs"]
mod guests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary as _, Unstructured};
use bytes::Bytes;
use medusa_sandbox::{CompileError, Task, Worker, inspect};
use medusa_types::{Limits, Outcome, Sha256Hash};
use wasm_smith::{Config, Module};

use folder::Folder;
use guests::{GUESTS, module};

/// Modules of each kind, unless the environment says otherwise.
const MODULES: u64 = 1_500;
/// Those of them that are compiled and run.
const COMPILED: usize = 25;
/// The gate's answer about a small module comes by then, in a build without optimisation too.
const SOON: Duration = Duration::from_secs(2);

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % most.max(1)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("8 bits")
    }
}

/// How many modules, and how many of those that pass are compiled.
fn wanted() -> (u64, usize) {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for by hand")]
    let asked = std::env::var("MEDUSA_FUZZ").ok().and_then(|n| n.parse().ok());
    asked.map_or((MODULES, COMPILED), |modules| (modules, usize::MAX))
}

fn examples() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let read = |name| std::fs::read(folder.join(name)).expect("an example");
    ["cells/cells.wasm", "pi/pi.wasm", "words/words.wasm"].map(read).into()
}

/// Some changes, most of them small; or the halves of two modules.
fn changed(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut wasm = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(wasm.len());
        // Small modules are mostly head, where each change is another section.
        match dice.below(8) {
            0..=2 => wasm[at] ^= 1 << dice.below(8),
            3 => wasm[at] = [0x00, 0x7f, 0x80, 0xff, 0xfc, 0xfd, 0x40, 0x0b][dice.below(8)],
            4 => {
                let count = dice.below(6) + 1;
                let more = dice.bytes(count);
                wasm.splice(at..at, more);
            }
            5 => {
                let end = wasm.len().min(at + dice.below(20) + 1);
                wasm.drain(at..end);
            }
            6 => {
                let end = wasm.len().min(at + dice.below(40) + 1);
                let piece = wasm[at..end].to_vec();
                wasm.splice(at..at, piece);
            }
            _ => {
                let other = &corpus[dice.below(corpus.len())];
                wasm.truncate(at);
                wasm.extend_from_slice(&other[dice.below(other.len())..]);
            }
        }
        if wasm.is_empty() {
            wasm.push(0);
        }
    }
    wasm
}

/// Asks the gate about each; those that pass. Prints what it said about the others.
fn pass(what: &str, modules: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut said, mut passed, mut longest) = (BTreeMap::new(), Vec::new(), Duration::ZERO);
    for wasm in modules {
        let began = Instant::now();
        let answer = std::panic::catch_unwind(|| inspect(&wasm));
        longest = longest.max(began.elapsed());
        match answer {
            Ok(Ok(_)) => passed.push(wasm),
            Ok(Err(refusal)) => {
                assert!(!refusal.to_string().is_empty());
                *said.entry(refusal.code()).or_insert(0_u32) += 1;
            }
            Err(_) => panic!("the gate panics at {}", kept(&wasm).display()),
        }
    }
    println!("{what}: {} pass, {said:?}, the longest took {longest:?}", passed.len());
    assert!(longest < SOON, "{longest:?}");
    passed
}

/// Keeps a module for whoever looks into it.
fn kept(wasm: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("medusa-{}.wasm", Sha256Hash::of(wasm)));
    std::fs::write(&path, wasm).expect("it is kept");
    path
}

/// Compiles and runs some of them. The compiler may refuse one; its process may not fail.
async fn bear(folder: &Folder, passed: &[Vec<u8>], most: usize) {
    let modules = folder.modules();
    let step = (passed.len() / most.min(passed.len()).max(1)).max(1);
    let mut ends = BTreeMap::new();
    for wasm in passed.iter().step_by(step).take(most) {
        let program = Sha256Hash::of(wasm);
        let compiled = modules.compiled(program, false, Bytes::copy_from_slice(wasm)).await;
        let end = match compiled {
            Ok(compiled) => {
                let mut worker = Worker::start(&modules, &compiled).await.expect("a worker");
                let report = worker.run(task()).await;
                let report = report.unwrap_or_else(|e| panic!("{e} with {}", kept(wasm).display()));
                assert_ne!(report.outcome, Outcome::AgentFault, "{}", kept(wasm).display());
                worker.stop().await;
                format!("{:?}", report.outcome)
            }
            Err(CompileError::Failed(_)) => "not compiled".to_owned(),
            Err(error) => panic!("{error} with {}", kept(wasm).display()),
        };
        *ends.entry(end).or_insert(0_u32) += 1;
    }
    println!("compiled and run: {ends:?}");
}

fn task() -> Task {
    Task {
        args: Vec::new(),
        env: Vec::new(),
        stdin: b"P5\n2 2\n255\n1234".to_vec(),
        files: Vec::new(),
        seed: 7,
        clock_ms: 1_700_000_000_000,
        limits: Limits {
            fuel: 2_000_000,
            memory_bytes: 64 << 20,
            output_bytes: 1 << 20,
            stderr_bytes: 4 << 10,
            wall_ms: 60_000,
        },
    }
}

#[tokio::test]
async fn changed_modules_pass_the_gate_or_are_refused() {
    let (count, compiled) = wanted();
    let small: Vec<Vec<u8>> = GUESTS.iter().map(|(_, code)| module(code)).collect();
    let mut dice = Dice(0x006d_6564_7573_6131);
    let passed = pass("changed guests", (0..count).map(|_| changed(&mut dice, &small)));
    assert!(passed.len() > 20, "only {} pass", passed.len());
    bear(&Folder::new(), &passed, compiled).await;

    let large = examples();
    let passed = pass("changed examples", (0..count / 10).map(|_| changed(&mut dice, &large)));
    // They take seconds to compile.
    bear(&Folder::new(), &passed, compiled / 12).await;
}

#[tokio::test]
async fn made_up_modules_pass_the_gate_or_are_refused() {
    let (count, compiled) = wanted();
    let entry = wat::parse_str(r#"(module (func (export "_start")))"#).expect("a module");
    let made = (0..count).filter_map(|seed| {
        let noise = Dice(seed * 2 + 1).bytes(2_000);
        let mut source = Unstructured::new(&noise);
        let mut config = Config::arbitrary(&mut source).ok()?;
        config.max_memory32_bytes = 1 << 20;
        // Half of them use everything that there is, and half only what may pass.
        if seed % 2 == 0 {
            config.exports = Some(entry.clone());
            config.max_imports = 0;
            config.allow_start_export = false;
            config.exceptions_enabled = false;
            config.gc_enabled = false;
            config.memory64_enabled = false;
            config.custom_page_sizes_enabled = false;
            config.relaxed_simd_enabled = false;
            config.tail_call_enabled = false;
            config.threads_enabled = false;
            config.wide_arithmetic_enabled = false;
            config.extended_const_enabled = false;
            config.max_memories = 1;
        }
        Module::new(config, &mut source).ok().map(|module| module.to_bytes())
    });
    let passed = pass("made up", made);
    assert!(passed.len() > 20, "only {} pass", passed.len());
    bear(&Folder::new(), &passed, compiled).await;
}

#[test]
fn noise_is_no_module() {
    let (count, _) = wanted();
    let mut dice = Dice(99);
    let noise = (0..count).map(|_| {
        let length = dice.below(300);
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend(dice.bytes(length));
        wasm
    });
    assert!(pass("noise", noise).is_empty());
}

#[tokio::test]
async fn compiled_code_that_changed_is_never_loaded() {
    let folder = Folder::new();
    let modules = folder.modules();
    let wasm = module(GUESTS[0].1);
    let program = Sha256Hash::of(&wasm);
    modules.compiled(program, false, wasm.into()).await.expect("it compiles");
    let mut dice = Dice(5);
    for kind in ["cwasm", "sha256"] {
        let files = std::fs::read_dir(&folder.0).expect("the folder");
        let mut paths = files.map(|entry| entry.expect("a file").path());
        let path = paths.find(|path| path.extension().is_some_and(|e| e == kind)).expect(kind);
        let whole = std::fs::read(&path).expect("the file");
        let content = whole.trim_ascii_end().len();
        for turn in 0..150 {
            let at = if turn < 64 { turn % content } else { dice.below(content) };
            let mut bent = whole.clone();
            bent[at] ^= 1 << dice.below(8);
            std::fs::write(&path, &bent).expect("it is written");
            // The case of a hexadecimal digit is no change.
            let is_same = kind == "sha256" && bent.eq_ignore_ascii_case(&whole);
            let found = modules.find(program, false).await.expect("an answer");
            assert!(found.is_none() || is_same, "byte {at} of {kind} does not count");
        }
        for bent in [&whole[..content - 1], &[], &[&whole[..], b"x"].concat()[..]] {
            std::fs::write(&path, bent).expect("it is written");
            assert_eq!(modules.find(program, false).await.expect("an answer"), None);
        }
        std::fs::write(&path, &whole).expect("it is written");
        assert!(modules.find(program, false).await.expect("an answer").is_some());
    }
}
