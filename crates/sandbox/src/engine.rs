//! The engine's one configuration: smallest feature set, deterministic. Fuel is counted by the
//! program itself ([`crate::meter`]), not by the engine.
//!
//! Whatever decides about the result of a program is fixed here, so that every agent gets the
//! same. Only [`medusa_types::Limits`] and the job's `strict` option differ between runs.

use std::hash::{Hash, Hasher};

use medusa_types::{METER, Sha256Hash};
use wasmtime::{Config, Engine};

use crate::meter::REWRITE;

/// The guest's stack. An overflow can be seen, so it is the same everywhere.
const STACK_BYTES: usize = 1 << 20;

/// An engine. `strict` makes the bits of every NaN the same on all kinds of processors.
pub(crate) fn engine(strict: bool) -> wasmtime::Result<Engine> {
    Engine::new(&config(strict))
}

/// The configuration of [`engine`].
pub(crate) fn config(strict: bool) -> Config {
    let mut config = Config::new();
    config
        .max_wasm_stack(STACK_BYTES)
        .cranelift_nan_canonicalization(strict)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .shared_memory(false);
    config
}

/// Names the compiled files that this engine loads on this machine: engine version, settings,
/// meter and how it is put into a module, and processor features.
pub(crate) fn fingerprint(strict: bool) -> wasmtime::Result<Sha256Hash> {
    let ours = format!("{METER} {REWRITE} {}\n", env!("CARGO_PKG_VERSION"));
    let mut collected = Collected(ours.into_bytes());
    engine(strict)?.precompile_compatibility_hash().hash(&mut collected);
    Ok(Sha256Hash::of(&collected.0))
}

/// A hasher that keeps everything, because 64 bits are too few for a name that must be unique.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
