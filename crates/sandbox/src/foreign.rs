//! What an uploaded file is when it is no WebAssembly module, and what to send instead.
//!
//! It is told by its first bytes and, for text, by words at the beginning of lines. A wrong guess
//! gives less fitting advice, nothing else: the file is refused either way.

/// Of a text so much is looked at.
const LOOKED_AT_BYTES: usize = 64 << 10;

/// A file that is something else than a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Nothing at all.
    Empty,
    /// The beginning of a module, and no more.
    CutOff,
    /// A program for Linux or another system with ELF files.
    Elf(&'static str),
    /// A program for Windows.
    Windows,
    /// A program for macOS.
    MacOs,
    /// A module that was compiled for one processor already.
    Precompiled,
    /// A zip archive: also a wheel, an app or a document.
    Zip,
    /// Another archive or packed file.
    Packed,
    /// What a compiler makes half-way.
    Intermediate,
    /// Compiled Python.
    PythonBytecode,
    /// A Java class.
    JavaClass,
    /// WebAssembly as text.
    ModuleText,
    /// A Python script.
    Python,
    /// A MATLAB or Octave script.
    Matlab,
    /// The source of a program in a language that is compiled.
    Source(&'static str),
    /// JavaScript.
    JavaScript,
    /// A web page.
    Html,
    /// A script for a shell or another interpreter.
    Shell,
    /// Text of another kind.
    Text,
    /// Other bytes.
    Unknown,
}

impl Foreign {
    /// What a file is that does not begin as a module does.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            [0, b'a', b's', b'm', ..] if bytes.len() < 8 => Self::CutOff,
            [0x7f, b'E', b'L', b'F', rest @ ..] => elf(rest),
            [b'M', b'Z', ..] => Self::Windows,
            [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => {
                Self::MacOs
            }
            // Programs for several processors count them here; Java has its version, from 45 on.
            [0xca, 0xfe, 0xba, 0xbe, _, _, _, count, ..] if *count < 45 => Self::MacOs,
            [0xca, 0xfe, 0xba, 0xbe, ..] => Self::JavaClass,
            [b'P', b'K', 3 | 5 | 7, ..] => Self::Zip,
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0xfd, b'7', b'z', b'X', ..] => {
                Self::Packed
            }
            _ if bytes.get(257..262) == Some(b"ustar") => Self::Packed,
            [b'B', b'C', 0xc0, 0xde, ..] => Self::Intermediate,
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Self::Intermediate,
            [_, _, b'\r', b'\n', ..] => Self::PythonBytecode,
            _ => text(bytes),
        }
    }

    /// What it is, in words.
    const fn what(self) -> &'static str {
        match self {
            Self::Empty => "the file is empty",
            Self::CutOff => "the module ends after a few bytes",
            Self::Elf(_) => "this is a program for Linux or a similar system",
            Self::Windows => "this is a program for Windows",
            Self::MacOs => "this is a program for macOS",
            Self::Precompiled => "this is a module that was compiled for one kind of processor",
            Self::Zip => "this is a zip archive (a Python wheel and an .mlapp file are ones too)",
            Self::Packed => "this is a packed file or an archive",
            Self::Intermediate => "this is what a compiler makes on its way to a program",
            Self::PythonBytecode => "this is compiled Python (.pyc)",
            Self::JavaClass => "this is a Java class",
            Self::ModuleText => "this is WebAssembly as text",
            Self::Python => "this is a Python script",
            Self::Matlab => "this is a MATLAB or Octave script",
            Self::Source(_) => "this is the source of a program",
            Self::JavaScript => "this is JavaScript",
            Self::Html => "this is a web page",
            Self::Shell => "this is a shell script",
            Self::Text => "this is text",
            Self::Unknown => "this is not a WebAssembly module",
        }
    }

    /// What to do about it.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Empty | Self::CutOff => {
                "see whether the compiler ended well, and send the file again"
            }
            Self::Elf(_) | Self::Windows | Self::MacOs => {
                "one program has to run on every lender's machine, so compile it for WebAssembly: \
                 --target=wasm32-wasi in C and C++, wasm32-wasip1 in Rust, GOOS=wasip1 in Go"
            }
            Self::Precompiled => {
                "send the .wasm that it was made from; each machine compiles its own"
            }
            Self::Zip | Self::Packed => {
                "send the .wasm or the script that is inside; data goes into the job's input"
            }
            Self::Intermediate => "link it into a program first, for the target wasm32-wasi",
            Self::PythonBytecode | Self::Python => {
                "choose the platform runtime that runs it, python, and send the .py, where this \
                 server offers one; where it does not, its operator can add it"
            }
            Self::JavaClass => {
                "Java does not run here; a compiler that makes WASI programs is needed, like those \
                 of C, C++, Rust, Go or Zig, or a Python script where this server offers a runtime"
            }
            Self::ModuleText => "assemble it first, with wat2wasm or wasm-tools parse",
            Self::Matlab => {
                "MATLAB does not run on lenders' machines; generate C with MATLAB Coder and compile \
                 that with --target=wasm32-wasi, or turn it into a Python script where this server \
                 offers a runtime for one"
            }
            Self::Source(language) => language,
            Self::JavaScript => {
                "there is no runtime for JavaScript; AssemblyScript compiles much of it to a WASI \
                 program, with @assemblyscript/wasi-shim"
            }
            Self::Html => "a download that wanted a login often gives one; look into the file",
            Self::Shell => "there is no shell on lenders' machines: send the program that it calls",
            Self::Text => {
                "send a compiled module (.wasm), or a script together with a runtime that runs it, \
                 where this server offers one"
            }
            Self::Unknown => {
                "send a compiled module (.wasm), which begins with the bytes 00 61 73 6d"
            }
        }
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what())?;
        if let Self::Elf(machine) = self {
            write!(f, " on {machine}")?;
        }
        write!(f, ": {}", self.remedy())
    }
}

/// An ELF file, after its first four bytes.
fn elf(rest: &[u8]) -> Foreign {
    // The engine's own compiled files are ELF files of this system number.
    if rest.get(3) == Some(&200) {
        return Foreign::Precompiled;
    }
    let machine = match rest.get(14..16) {
        Some([0x3e, 0]) => "x86-64",
        Some([0x03, 0]) => "32-bit x86",
        Some([0xb7, 0]) => "64-bit ARM",
        Some([0x28, 0]) => "32-bit ARM",
        Some([0xf3, 0]) => "RISC-V",
        _ => "another processor",
    };
    Foreign::Elf(machine)
}

/// What is meant to be text, by how its lines begin.
fn text(bytes: &[u8]) -> Foreign {
    let seen = bytes.get(..LOOKED_AT_BYTES).unwrap_or(bytes);
    if seen.contains(&0) {
        return Foreign::Unknown;
    }
    let text = String::from_utf8_lossy(seen);
    let text = text.trim_start_matches('\u{feff}');
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let any = |starts: &[&str]| lines().any(|line| starts.iter().any(|s| line.starts_with(s)));
    let first = lines().next().unwrap_or_default();
    match first {
        _ if first.starts_with("#!") && first.contains("python") => return Foreign::Python,
        _ if first.starts_with("#!") => return Foreign::Shell,
        _ if first.starts_with("(module") || first.starts_with(";;") => return Foreign::ModuleText,
        _ if first.starts_with('<') => return Foreign::Html,
        _ => {}
    }
    let c = "compile it: clang --target=wasm32-wasi -O3 -o program.wasm program.c";
    let rust = "compile it: cargo build --release --target wasm32-wasip1";
    let go = "compile it: GOOS=wasip1 GOARCH=wasm go build -o program.wasm";
    if any(&["#include", "int main(", "#define "]) {
        Foreign::Source(c)
    } else if any(&["fn main(", "pub fn ", "use std::"]) {
        Foreign::Source(rust)
    } else if any(&["package main", "func main("]) {
        Foreign::Source(go)
    } else if any(&["import {", "const ", "let ", "export ", "require(", "console.log("]) {
        Foreign::JavaScript
    } else if any(&["function ", "%", "classdef ", "clc", "clear all", "close all"]) {
        Foreign::Matlab
    } else if any(&["import ", "from ", "def ", "print(", "class ", "if __name__"]) {
        Foreign::Python
    } else if std::str::from_utf8(seen).is_ok_and(|text| !text.contains(is_binary)) {
        Foreign::Text
    } else {
        Foreign::Unknown
    }
}

fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')
}
