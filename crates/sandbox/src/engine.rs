//! The engine's one configuration: smallest feature set, metered, deterministic.
//!
//! Whatever decides about the result of a program is fixed here, so that every agent gets the
//! same. Only [`medusa_types::Limits`] and the job's `strict` option differ between runs.

use std::hash::{Hash, Hasher};

use medusa_types::{METER, Sha256Hash};
use wasmtime::{Config, Engine};

use crate::meter;

/// The guest's stack. An overflow can be seen, so it is the same everywhere.
const STACK_BYTES: usize = 1 << 20;

/// An engine. `strict` makes the bits of every NaN the same on all kinds of processors.
pub(crate) fn engine(strict: bool) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(meter::operator_cost())
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
    Engine::new(&config)
}

/// Names the compiled files that this engine loads on this machine: engine version, settings,
/// cost table and processor features.
pub(crate) fn fingerprint(strict: bool) -> wasmtime::Result<Sha256Hash> {
    let mut collected = Collected(format!("{METER} {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
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
