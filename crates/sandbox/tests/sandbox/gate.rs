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
fn other_bytes_are_no_module() {
    assert_eq!(inspect(b""), Err(Refusal::NotWasm));
    assert_eq!(inspect(b"#!/usr/bin/env python3\n"), Err(Refusal::NotWasm));
    assert_eq!(inspect(b"\0asm"), Err(Refusal::NotWasm));
    assert_eq!(inspect(b"\0asm\x0d\0\x01\0"), Err(Refusal::Component));
    let component = wat::parse_str("(component)").expect("a component");
    let refusal = inspect(&component).expect_err("it is refused");
    assert_eq!(refusal.code(), "program.component");
    assert!(refusal.to_string().contains("wasm32-wasip1"), "{refusal}");
}

#[test]
fn a_damaged_module_is_invalid() {
    let wasm = program(r#"(func (export "_start"))"#);
    for cut in [9, 40, wasm.len() - 1] {
        assert!(matches!(inspect(&wasm[..cut]), Err(Refusal::Invalid(_) | Refusal::NoEntry)));
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
fn a_refused_import_is_named_with_its_remedy() {
    let cases = [
        (r#"(import "env" "emscripten_resize_heap" (func))"#, "Emscripten"),
        (r#"(import "host" "call" (func))"#, "wasi_snapshot_preview1"),
        (r#"(import "wasi_snapshot_preview1" "thread-spawn" (func))"#, "preview 1"),
        (r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#, "another type"),
        (r#"(import "wasi_snapshot_preview1" "fd_close" (func (param f64) (result i32)))"#, "type"),
        (r#"(import "wasi_snapshot_preview1" "memory" (memory 1))"#, "not a function"),
    ];
    for (import, remedy) in cases {
        let text = format!(r#"(module {import} (func (export "_start")))"#);
        let refusal = refusal(&text);
        assert_eq!(refusal.code(), "program.import_refused", "{import}");
        let said = refusal.to_string();
        let name = import.split('"').nth(3).expect("a name");
        assert!(said.contains(name) && said.contains(remedy), "{said}");
    }
}

/// One module for each proposal that must stay out.
#[test]
fn newer_proposals_are_refused() {
    let cases = [
        ("threads", r#"(memory 1 1 shared)"#),
        ("atomics", r#"(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"#),
        ("memory64", r#"(memory i64 1)"#),
        ("multi-memory", r#"(memory 1) (memory 1)"#),
        (
            "relaxed SIMD",
            r#"(func (param v128 v128) (result v128)
            (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))"#,
        ),
        ("tail calls", r#"(func $f (return_call $f))"#),
        ("exceptions", r#"(tag)"#),
        ("legacy exceptions", r#"(func try catch_all end)"#),
        ("garbage collection", r#"(type (struct))"#),
        ("external references", r#"(func (param externref))"#),
        ("call_ref", r#"(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))"#),
        ("function references", r#"(func (param (ref func)))"#),
        ("extended constants", r#"(global i32 (i32.add (i32.const 1) (i32.const 2)))"#),
        (
            "wide arithmetic",
            r#"(func (param i64) (drop (drop (i64.mul_wide_u (local.get 0) (local.get 0)))))"#,
        ),
        ("page sizes", r#"(memory 1 (pagesize 1))"#),
        ("stack switching", r#"(type $f (func)) (type $c (cont $f))"#),
    ];
    for (what, code) in cases {
        let text = format!(r#"(module {code} (func (export "_start")))"#);
        assert_eq!(refusal(&text).code(), "program.invalid", "{what}");
    }
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
    let bytes = MODULE_BYTES_MAX + 1;
    assert_eq!(inspect(&vec![0; bytes]), Err(Refusal::ModuleTooLarge { bytes }));
}
