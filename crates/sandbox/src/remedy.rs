//! What to do about a module that the gate refuses: which tool most likely made it so, and how it
//! makes a program for this place.

use crate::imports;

/// What is wrong with importing a function from this module under this name, and the remedy.
pub(crate) fn of_import(module: &str, name: &str) -> &'static str {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match module {
        imports::MODULE if name == "thread-spawn" => THREADS,
        imports::MODULE => {
            "which is not a function of WASI preview 1: recompile with a newer wasi-libc, for \
             wasm32-wasi"
        }
        "wasi" if name == "thread-spawn" => THREADS,
        "wasi_unstable" => {
            "which is of the WASI before preview 1: recompile with a compiler of 2020 or later"
        }
        "env" if name == "abort" || name == "seed" => {
            "which AssemblyScript puts there for a browser: build with \
             \"extends\": \"./node_modules/@assemblyscript/wasi-shim/asconfig.json\""
        }
        "env" if name == "memory" => {
            "the memory of its host: let the module have its own, without --import-memory and \
             without threads"
        }
        "env" if starts(&["emscripten_", "invoke_", "__syscall_", "_emscripten_", "__cxa_"]) => {
            "which Emscripten puts there for a browser: build with clang --target=wasm32-wasi, and \
             C++ with -fno-exceptions (emcc -sSTANDALONE_WASM does for plain C)"
        }
        "env" => {
            "which was not linked: link the library that has it, and leave out --allow-undefined. \
             If Emscripten made the module, build with clang --target=wasm32-wasi instead"
        }
        "a" => {
            "which Emscripten puts there for a browser, in short names: build with clang \
             --target=wasm32-wasi"
        }
        "wbg" | "__wbindgen_placeholder__" | "__wbindgen_externref_xform__" => {
            "which wasm-bindgen puts there for a browser: build a plain Rust program for \
             wasm32-wasip1, without wasm-pack and without crates for JavaScript"
        }
        "go" | "gojs" => {
            "which Go puts there for a browser: build with GOOS=wasip1 GOARCH=wasm go build"
        }
        _ if module.starts_with("wasix") => {
            "which is WASIX, with threads, sockets and processes: compile for plain WASI, \
             wasm32-wasi"
        }
        _ if module.starts_with("wasi:") => {
            "which is of WASI preview 2: compile for preview 1, wasm32-wasip1"
        }
        _ => {
            "which only its own host has; offered are the functions of wasi_snapshot_preview1: \
             compile it as a program for WASI"
        }
    }
}

const THREADS: &str = "which starts threads: build for wasm32-wasip1, not for wasm32-wasip1-threads. \
                       A job's chunks are what runs at the same time";

/// What to do about a module that does not validate, from what the validator says.
pub(crate) fn of_invalid(message: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["unexpected end", "unexpected-eof", "ends too early", "too long, out of bounds"]) {
        "the file is cut off or damaged: see whether its compiler ended well, and send it again"
    } else if has(&["memory64", "64-bit", "memory index must"]) {
        "it was built for 64-bit memory: build for wasm32, not wasm64"
    } else if has(&["threads", "shared memor", "atomic"]) {
        "it was built with threads: build without -pthread, for wasm32-wasip1. A job's chunks are \
         what runs at the same time"
    } else if has(&["exception", "legacy"]) {
        "it uses exceptions: build C++ with -fno-exceptions and C without setjmp"
    } else if has(&["relaxed SIMD", "relaxed"]) {
        "it uses relaxed SIMD, whose results differ between processors: build without \
         -mrelaxed-simd"
    } else if has(&["tail call"]) {
        "it uses tail calls: build without -mtail-call"
    } else if has(&["gc ", "gc support", "reference types", "function references", "externref"]) {
        "it uses types of garbage-collected languages: such compilers make modules for browsers; \
         look for their option for WASI preview 1"
    } else if has(&["multi-memory", "multiple memories"]) {
        "it has several memories: build it with one"
    } else if has(&["extended const", "constant expression required"]) {
        "it uses extended constants: build without -mextended-const, and not position-independent"
    } else {
        "build it again for wasm32-wasi with the compiler's defaults"
    }
}
