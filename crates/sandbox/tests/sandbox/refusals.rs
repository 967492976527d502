//! Each refusal says what is wrong and what to do about it, as a table: what people upload, and the
//! words that they must read.

use medusa_sandbox::{Refusal, inspect};

use crate::setup::program;

fn refused(bytes: &[u8]) -> Refusal {
    inspect(bytes).expect_err("it is refused")
}

/// Code and words of the refusal of a module with this in it.
fn of(code: &str) -> (&'static str, String) {
    let text = format!(r#"(module {code} (func (export "_start")))"#);
    let refusal = refused(&wat::parse_str(text).expect("a module"));
    (refusal.code(), refusal.to_string())
}

/// An ELF header: after the magic number, class, order, version and system; then the machine.
fn elf(system: u8, machine: u8) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.push(system);
    bytes.resize(16, 0);
    bytes.extend([2, 0, machine, 0, 1, 0, 0, 0]);
    bytes
}

#[test]
fn what_is_no_module_is_recognised_and_says_what_to_send_instead() {
    let tar = {
        let mut block = vec![0; 512];
        block[257..262].copy_from_slice(b"ustar");
        block
    };
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("nothing", b"", &["empty", "send the file again"]),
        ("four bytes of a module", b"\0asm", &["ends after a few bytes", "compiler ended well"]),
        ("Linux", &elf(0, 0x3e), &["Linux", "x86-64", "--target=wasm32-wasi"]),
        ("Linux on a phone", &elf(3, 0xb7), &["64-bit ARM", "wasm32-wasip1 in Rust"]),
        ("another machine", &elf(0, 0x08), &["another processor", "GOOS=wasip1"]),
        ("a compiled module", &elf(200, 0x3e), &["compiled for one kind", "send the .wasm"]),
        ("Windows", b"MZ\x90\0\x03\0\0\0", &["Windows", "--target=wasm32-wasi"]),
        ("macOS", b"\xcf\xfa\xed\xfe\x0c\0\0\x01", &["macOS", "--target=wasm32-wasi"]),
        ("macOS, two machines", b"\xca\xfe\xba\xbe\0\0\0\x02", &["macOS"]),
        ("Java", b"\xca\xfe\xba\xbe\0\0\0\x37", &["Java class", "WASI"]),
        ("a wheel", b"PK\x03\x04\x14\0\0\0", &["zip archive", "wheel", "inside"]),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0", &["packed", "inside"]),
        ("tar", &tar, &["archive", "inside"]),
        ("LLVM", b"BC\xc0\xde\x35\x14\0\0", &["on its way", "link it"]),
        ("a library", b"!<arch>\nx.o/", &["on its way", "link it"]),
        ("pyc", b"\xcb\x0d\x0d\x0a\0\0\0\0\xe3\0", &["compiled Python", "send the .py", "runtime"]),
        ("wat", b"(module (func))", &["as text", "wat2wasm"]),
        ("Python", b"import sys\nprint(len(sys.stdin.read()))\n", &["Python script", "runtime"]),
        ("Python by its first line", b"#!/usr/bin/env python3\nx = 1\n", &["Python script"]),
        ("Python with a mark", b"\xef\xbb\xbffrom math import pi\n", &["Python script"]),
        (
            "MATLAB",
            b"% counts cells\nfunction n = cells(im)\nend\n",
            &["MATLAB", "Python", "Coder"],
        ),
        ("MATLAB script", b"clear all\nx = linspace(0, 1);\n", &["MATLAB"]),
        (
            "C",
            b"#include <stdio.h>\nint main(void) {}\n",
            &["source", "clang --target=wasm32-wasi"],
        ),
        ("Rust", b"use std::io;\nfn main() {}\n", &["source", "wasm32-wasip1"]),
        ("Go", b"package main\nfunc main() {}\n", &["source", "GOOS=wasip1"]),
        ("JavaScript", b"const x = 1;\nconsole.log(x);\n", &["JavaScript", "AssemblyScript"]),
        ("a page", b"<!doctype html><title>Sign in</title>", &["web page", "login"]),
        ("shell", b"#!/bin/sh\nexec ./cells\n", &["shell script", "the program that it calls"]),
        ("text", b"y,x,area\n1,2,3\n", &["text", "runtime"]),
        ("noise", b"\x80\x81\x82\x83\x84\x85\x86\x87\x88", &["not a WebAssembly module", ".wasm"]),
        ("noise with nothing", b"\x01\0\0\0\x02\0\0\0\0", &["not a WebAssembly module"]),
    ];
    for (what, bytes, words) in cases {
        let refusal = refused(bytes);
        assert_eq!(refusal.code(), "program.not_wasm", "{what}");
        let said = refusal.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{what}: {said}");
    }
}

#[test]
fn a_real_program_of_this_machine_is_refused_as_one() {
    let exe = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let said = refused(&exe).to_string();
    assert!(said.contains("this is a program for") && said.contains("wasm32-wasi"), "{said}");
}

#[test]
fn components_objects_and_libraries_are_told_apart() {
    assert_eq!(refused(b"\0asm\x0d\0\x01\0"), Refusal::Component);
    let component = wat::parse_str("(component)").expect("a component");
    let said = refused(&component).to_string();
    assert!(said.contains("component") && said.contains("wasm32-wasip1 (not wasip2)"), "{said}");
    let nested =
        "(core module $m) (core instance (instantiate $m)) (core instance (instantiate $m))";
    let component = wat::parse_str(format!("(component {nested})")).expect("a component");
    let refusal = refused(&component);
    assert_eq!(refusal.code(), "program.component", "instances are made by components only");
    assert!(refusal.to_string().contains("one instance each"));
    let (code, said) = of(r#"(@custom "linking" "\02")"#);
    assert!(code == "program.no_entry" && said.contains("without -c"), "{said}");
    let library = wat::parse_str(r#"(module (func (export "_initialize")))"#).expect("a module");
    let said = refused(&library).to_string();
    assert!(said.contains("_start") && said.contains("reactor"), "{said}");
}

#[test]
fn a_refused_import_is_named_with_its_remedy() {
    let cases = [
        (r#"(import "env" "emscripten_resize_heap" (func))"#, "clang --target=wasm32-wasi"),
        (r#"(import "env" "invoke_vii" (func))"#, "Emscripten"),
        (r#"(import "a" "b" (func))"#, "Emscripten"),
        (r#"(import "env" "cblas_dgemm" (func))"#, "not linked"),
        (r#"(import "env" "abort" (func))"#, "wasi-shim"),
        (r#"(import "env" "memory" (memory 1))"#, "--import-memory"),
        (r#"(import "wbg" "__wbg_log_1" (func))"#, "without wasm-pack"),
        (r#"(import "gojs" "runtime.wasmExit" (func))"#, "GOOS=wasip1"),
        (r#"(import "wasix_32v1" "proc_fork" (func))"#, "WASIX"),
        (r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func))"#, "preview 2"),
        (r#"(import "wasi_unstable" "fd_write" (func))"#, "before preview 1"),
        (r#"(import "wasi" "thread-spawn" (func))"#, "threads"),
        (r#"(import "host" "call" (func))"#, "wasi_snapshot_preview1"),
        (r#"(import "rb-js-abi-host" "eval-js" (func))"#, "only its own host"),
        (r#"(import "wasi_snapshot_preview1" "thread-spawn" (func))"#, "threads"),
        (r#"(import "wasi_snapshot_preview1" "path_chmod" (func))"#, "preview 1"),
        (r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#, "another type"),
        (r#"(import "wasi_snapshot_preview1" "fd_close" (func (param f64) (result i32)))"#, "type"),
        (r#"(import "wasi_snapshot_preview1" "memory" (memory 1))"#, "not a function"),
    ];
    for (import, remedy) in cases {
        let (code, said) = of(import);
        assert_eq!(code, "program.import_refused", "{import}");
        let mut names = import.split('"').skip(1).step_by(2);
        assert!(names.all(|name| said.contains(name)) && said.contains(remedy), "{said}");
    }
}

/// One module for each proposal that must stay out, with the words that help.
#[test]
fn newer_proposals_are_refused_with_the_option_that_leaves_them_out() {
    let cases = [
        (r#"(memory 1 1 shared)"#, "-pthread"),
        (r#"(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"#, "-pthread"),
        (r#"(memory i64 1)"#, "wasm32, not wasm64"),
        (r#"(memory 1) (memory 1)"#, "with one"),
        (
            r#"(func (param v128 v128) (result v128)
            (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))"#,
            "-mrelaxed-simd",
        ),
        (r#"(func $f (return_call $f))"#, "-mtail-call"),
        (r#"(tag)"#, "-fno-exceptions"),
        (r#"(func try catch_all end)"#, "-fno-exceptions"),
        (r#"(type (struct))"#, "garbage-collected"),
        (r#"(func (param externref))"#, "garbage-collected"),
        (
            r#"(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))"#,
            "garbage-collected",
        ),
        (r#"(func (param (ref func)))"#, "garbage-collected"),
        (r#"(global i32 (i32.add (i32.const 1) (i32.const 2)))"#, "-mextended-const"),
        (
            r#"(func (param i64) (drop (drop (i64.mul_wide_u (local.get 0) (local.get 0)))))"#,
            "defaults",
        ),
        (r#"(memory 1 (pagesize 1))"#, "defaults"),
        (r#"(type $f (func)) (type $c (cont $f))"#, "defaults"),
    ];
    for (code, remedy) in cases {
        let (kind, said) = of(code);
        assert_eq!(kind, "program.invalid", "{code}");
        assert!(said.contains(remedy), "{code}: {said}");
    }
}

#[test]
fn a_module_that_is_cut_off_is_told_as_such() {
    let wasm = program(r#"(func (export "_start"))"#);
    let said = refused(&wasm[..wasm.len() - 3]).to_string();
    assert!(said.contains("cut off") && said.contains("send it again"), "{said}");
}

#[test]
fn what_is_too_large_says_the_limit_and_how_to_get_below_it() {
    let many = format!(r#"(module (func (export "_start")) {})"#, "(func)".repeat(100_000));
    let body = "(drop (i32.const 1))".repeat(200_000);
    let cases = [
        (many, "100000", "--gc-sections"),
        (format!(r#"(module (func (export "_start") {body}))"#), "524288", "split it"),
        (r#"(module (memory 40000) (func (export "_start")))"#.into(), "2147483648", "allocate"),
        (r#"(module (table 100001 funcref) (func (export "_start")))"#.into(), "100000", "link"),
        (
            format!(r#"(module {} (func (export "_start")))"#, "(table 0 funcref)".repeat(101)),
            "100",
            "share a table",
        ),
        (r#"(module (func $s) (start $s) (func (export "_start")))"#.into(), "start", "_start"),
    ];
    for (text, limit, remedy) in cases {
        let said = refused(&wat::parse_str(&text).expect("a module")).to_string();
        assert!(said.contains(limit) && said.contains(remedy), "{said}");
    }
}
