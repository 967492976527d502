//! What the gate lets in, what it refuses, and what it says.

use medusa_sandbox::{Entry, MODULE_BYTES_MAX, Refusal, inspect};

use crate::setup::program;

fn refusal(text: &str) -> Refusal {
    inspect(&wat::parse_str(text).expect("a module")).expect_err("it is refused")
}

#[test]
fn a_plain_program_passes() {
    let wasm = program(r#"(func (export "_start"))"#);
    let inspection = inspect(&wasm).expect("it passes");
    assert_eq!(inspection.entry, Entry::Start);
    assert_eq!(inspection.memory_min_bytes, 65_536);
    assert_eq!(inspection.functions, 6);
    assert!(inspection.code_bytes > 50);
    assert!(inspection.imports.contains(&"fd_write".to_owned()));
}

#[test]
fn the_entry_is_start_or_else_the_empty_name() {
    let entry = |text: &str| inspect(&wat::parse_str(text).expect("a module")).map(|i| i.entry);
    let both = r#"(module (func (export "")) (func (export "_start")))"#;
    assert_eq!(entry(both), Ok(Entry::Start));
    let itk = r#"(module (func (export "_initialize")) (func (export "")))"#;
    assert_eq!(entry(itk), Ok(Entry::EmptyName));
    let library = r#"(module (func (export "_initialize")) (func (export "main")))"#;
    assert_eq!(entry(library), Err(Refusal::NoEntry));
    let wrong = r#"(module (func (export "_start") (result i32) (i32.const 0)))"#;
    assert_eq!(entry(wrong), Err(Refusal::NoEntry));
    let global = r#"(module (global (export "_start") i32 (i32.const 0)))"#;
    assert_eq!(entry(global), Err(Refusal::NoEntry));
}

#[test]
fn a_damaged_module_is_invalid() {
    let wasm = program(r#"(func (export "_start"))"#);
    for cut in [9, 40, wasm.len() - 1] {
        assert!(matches!(inspect(&wasm[..cut]), Err(Refusal::Invalid { .. } | Refusal::NoEntry)));
    }
    let mut noisy = 0;
    for at in 8..wasm.len() {
        let mut bent = wasm.clone();
        bent[at] ^= 0x55;
        noisy += usize::from(inspect(&bent).is_err());
    }
    assert!(noisy > 100, "most changes are noticed, and none panics: {noisy}");
}

#[test]
fn what_runs_before_the_meter_is_refused() {
    let text = r#"(module (func $s) (start $s) (func (export "_start")))"#;
    assert_eq!(refusal(text), Refusal::StartSection);
}

#[test]
fn bombs_are_refused_by_size() {
    let functions = format!(r#"(module (func (export "_start")) {})"#, "(func)".repeat(100_000));
    assert_eq!(refusal(&functions), Refusal::TooManyFunctions { functions: 100_001 });
    let body = "(drop (i32.const 1))".repeat(200_000);
    let body = format!(r#"(module (func (export "_start") {body}))"#);
    assert_eq!(refusal(&body).code(), "program.body_too_large");
    let memory = r#"(module (memory 40000) (func (export "_start")))"#;
    assert_eq!(refusal(memory).code(), "program.memory_too_large");
    let table = r#"(module (table 100001 funcref) (func (export "_start")))"#;
    assert_eq!(refusal(table), Refusal::TableTooLarge { elements: 100_001 });
    let tables =
        format!(r#"(module {} (func (export "_start")))"#, "(table 0 funcref)".repeat(101));
    assert_eq!(refusal(&tables), Refusal::TooManyTables { tables: 101 });
    let bytes = MODULE_BYTES_MAX + 1;
    assert_eq!(inspect(&vec![0; bytes]), Err(Refusal::ModuleTooLarge { bytes }));
}
