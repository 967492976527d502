//! Modules that nobody would write, by the hundred.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use medusa_types::{Outcome, Sha256Hash};
use wasm_smith::{Config, Module};

use super::equal::{Twins, task};
use crate::gate::inspect;

/// So many, unless the environment's `MEDUSA_METER_MODULES` says more.
const MODULES: u32 = 600;

#[test]
fn whatever_a_module_does_both_count_alike() {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for by hand")]
    let modules = std::env::var("MEDUSA_METER_MODULES").ok().and_then(|n| n.parse().ok());
    let mut outcomes = BTreeMap::<&str, u32>::new();
    for seed in 0..modules.unwrap_or(MODULES) {
        let wasm = module(seed);
        if inspect(&wasm).is_err() {
            *outcomes.entry("refused").or_default() += 1;
            continue;
        }
        let compared = catch_unwind(AssertUnwindSafe(|| {
            Twins::compiled(&wasm, seed.is_multiple_of(5)).compare(&task(50_000))
        }));
        let Ok(report) = compared else {
            let path = std::env::temp_dir().join(format!("medusa-meter-{seed}.wasm"));
            std::fs::write(&path, &wasm).expect("the module is kept");
            panic!("module {seed}, kept as {}, is counted differently", path.display());
        };
        let name = match report.outcome {
            Outcome::Done => "done",
            Outcome::Trap => "trap",
            Outcome::FuelOut => "fuel",
            _ => "other",
        };
        *outcomes.entry(name).or_default() += 1;
    }
    for name in ["done", "trap", "fuel"] {
        assert!(outcomes.get(name).is_some_and(|count| *count > 20), "{outcomes:?}");
    }
}

/// A module made of noise. Half of them are such that they cannot trap, so that they go on.
fn module(seed: u32) -> Vec<u8> {
    let block = |n: u32| Sha256Hash::of(format!("{seed} {n}").as_bytes()).0;
    let noise: Vec<u8> = (0..128).flat_map(block).collect();
    let config = Config {
        exports: Some(
            wat::parse_str(r#"(module (memory (export "memory") 1 9) (func (export "_start")))"#)
                .expect("a module"),
        ),
        allow_start_export: false,
        disallow_traps: seed.is_multiple_of(2),
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        max_imports: 0,
        max_instructions: 200,
        max_memory32_bytes: 4 << 20,
        max_table_elements: 1_000,
        max_tables: 3,
        memory64_enabled: false,
        min_funcs: 3,
        min_tables: 1,
        reference_types_enabled: seed.is_multiple_of(3),
        relaxed_simd_enabled: false,
        simd_enabled: !seed.is_multiple_of(4),
        tail_call_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    let mut source = arbitrary::Unstructured::new(&noise);
    Module::new(config, &mut source).expect("a module").to_bytes()
}
