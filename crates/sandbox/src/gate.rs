//! The gate: decides from a module's bytes alone whether it may ever be compiled or run here.
//!
//! It allows an exact list of WebAssembly features, one module to import from, and sizes that
//! every real program passes and every compile bomb does not. It compiles nothing and runs
//! nothing, and each refusal says what to do about it. Validation reads the whole module: call it
//! where blocking for some milliseconds is fine.

use wasmparser::{
    Encoding, Export, ExternalKind, FuncType, FuncValidatorAllocations, Import, Parser, Payload,
    TypeRef, ValType, ValidPayload, Validator, WasmFeatures, types::TypesRef,
};

use crate::foreign::Foreign;
use crate::{imports, remedy};

/// The largest module, in bytes.
pub const MODULE_BYTES_MAX: usize = 128 << 20;
/// The most functions.
pub(crate) const FUNCTIONS_MAX: u32 = 100_000;
/// The largest body of one function, in bytes.
pub(crate) const BODY_BYTES_MAX: u64 = 512 << 10;
/// The largest code section, in bytes.
pub(crate) const CODE_BYTES_MAX: u64 = 80 << 20;
/// The most linear memory that a module may demand before it runs, in bytes.
pub(crate) const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// The most tables.
pub(crate) const TABLES_MAX: usize = 100;
/// The most elements of a table.
pub(crate) const TABLE_ELEMENTS_MAX: u64 = 100_000;

/// WebAssembly 2.0 without `externref`, and nothing newer.
const FEATURES: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD);

/// What a module that passed the gate is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Where it is entered.
    pub entry: Entry,
    /// How many functions it defines.
    pub functions: u32,
    /// The size of its code section; compiling takes about one CPU second a MiB.
    pub code_bytes: u64,
    /// The linear memory that it needs from the start.
    pub memory_min_bytes: u64,
    /// The host functions that it imports.
    pub imports: Vec<String>,
}

/// Where a program is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The export `_start`.
    Start,
    /// The export with the empty name, which runs the constructors itself: `_initialize` beside
    /// it must not be called.
    EmptyName,
}

impl Entry {
    /// The name of the export.
    #[must_use]
    pub const fn export(self) -> &'static str {
        match self {
            Self::Start => "_start",
            Self::EmptyName => "",
        }
    }
}

/// Why a module is refused, with the remedy in its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are something else.
    #[error("{0}")]
    NotWasm(Foreign),
    /// A component instead of a core module.
    #[error(
        "this is a WebAssembly component, which makes any number of instances, and only core modules \
         run here, one instance each: compile for wasm32-wasip1 (not wasip2), or take the core \
         module out with wasm-tools component unbundle"
    )]
    Component,
    /// Damaged, or made with a feature that is not accepted.
    #[error(
        "the module is not valid ({what}): {remedy}. Accepted is WebAssembly 2.0 with SIMD, without \
         threads, exceptions, tail calls, 64-bit memory, garbage collection or relaxed SIMD"
    )]
    Invalid {
        /// What is wrong, in the validator's words.
        what: String,
        /// What most likely helps.
        remedy: &'static str,
    },
    /// It wants something that no agent offers.
    #[error("the module imports \"{module}\".\"{name}\", {why}")]
    Import {
        /// The module that it imports from.
        module: String,
        /// The thing's name.
        name: String,
        /// What is wrong with it, and the remedy.
        why: &'static str,
    },
    /// Nothing to call.
    #[error(
        "the module has no entry: export a function \"_start\" without parameters and results, as \
         a compiler for WASI programs does. Is it a library (-mexec-model=reactor, --no-entry, \
         crate-type cdylib)? Then build it as a program with main"
    )]
    NoEntry,
    /// What a compiler makes before it links.
    #[error("this is an object file: link it, as clang --target=wasm32-wasi does without -c")]
    NotLinked,
    /// It wants to run before it is metered.
    #[error("the module has a start section, which would run unmetered: move its work to _start")]
    StartSection,
    /// Larger than [`MODULE_BYTES_MAX`].
    #[error(
        "the module has {bytes} bytes, and at most {MODULE_BYTES_MAX} are accepted: leave out debug \
         information (-Wl,--strip-all), and put data into the job's input"
    )]
    ModuleTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Too many functions.
    #[error(
        "the module has {functions} functions, and at most {FUNCTIONS_MAX} are accepted: link only \
         what is used (-Wl,--gc-sections), or split the program"
    )]
    TooManyFunctions {
        /// How many it has.
        functions: u32,
    },
    /// One function is too large to compile safely.
    #[error(
        "a function has {bytes} bytes of code, and at most {BODY_BYTES_MAX} are accepted: split it, \
         or compile with -Os"
    )]
    BodyTooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Too much code.
    #[error(
        "the module has {bytes} bytes of code, and at most {CODE_BYTES_MAX} are accepted: compile \
         with -Os, and link only what is used (-Wl,--gc-sections)"
    )]
    CodeTooLarge {
        /// The size of its code section.
        bytes: u64,
    },
    /// Too much memory demanded before it runs.
    #[error(
        "the module needs {bytes} bytes of memory from the start, and at most {MEMORY_BYTES_MAX} \
         are accepted: allocate while running instead"
    )]
    MemoryTooLarge {
        /// What it demands.
        bytes: u64,
    },
    /// Too many tables.
    #[error(
        "the module has {tables} tables, and at most {TABLES_MAX} are accepted: build it as one \
         program, whose functions share a table"
    )]
    TooManyTables {
        /// How many it has.
        tables: u32,
    },
    /// A table that is too large.
    #[error(
        "a table has {elements} elements, and at most {TABLE_ELEMENTS_MAX} are accepted: link only \
         what is used (-Wl,--gc-sections)"
    )]
    TableTooLarge {
        /// What it demands.
        elements: u64,
    },
}

impl Refusal {
    /// The stable code of this situation.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotWasm(_) => "program.not_wasm",
            Self::Component => "program.component",
            Self::Invalid { .. } => "program.invalid",
            Self::Import { .. } => "program.import_refused",
            Self::NoEntry | Self::NotLinked => "program.no_entry",
            Self::StartSection => "program.start_section",
            Self::ModuleTooLarge { .. } => "program.module_too_large",
            Self::TooManyFunctions { .. } => "program.too_many_functions",
            Self::BodyTooLarge { .. } => "program.body_too_large",
            Self::CodeTooLarge { .. } => "program.code_too_large",
            Self::MemoryTooLarge { .. } => "program.memory_too_large",
            Self::TooManyTables { .. } => "program.too_many_tables",
            Self::TableTooLarge { .. } => "program.table_too_large",
        }
    }
}

impl From<wasmparser::BinaryReaderError> for Refusal {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        let remedy = remedy::of_invalid(error.message());
        Self::Invalid { what: format!("{}, at byte {}", error.message(), error.offset()), remedy }
    }
}

/// Inspects a module without compiling it.
///
/// # Errors
/// [`Refusal`] says why it may not run here, and the remedy.
pub fn inspect(wasm: &[u8]) -> Result<Inspection, Refusal> {
    if wasm.len() > MODULE_BYTES_MAX {
        return Err(Refusal::ModuleTooLarge { bytes: wasm.len() });
    }
    match wasm.get(..8) {
        Some(b"\0asm\x01\0\0\0") => {}
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => return Err(Refusal::Component),
        _ => return Err(Refusal::NotWasm(Foreign::of(wasm))),
    }
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        seen.check(&payload)?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(allocations);
                function.validate(&body)?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(types) => return seen.finish(types.as_ref()),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let what = "the module ends too early".to_owned();
    Err(Refusal::Invalid { remedy: remedy::of_invalid(&what), what })
}

/// What was found on the way through the module.
#[derive(Default)]
struct Seen<'a> {
    functions: u32,
    code_bytes: u64,
    memory_min_bytes: u64,
    imports: Vec<Import<'a>>,
    exports: Vec<Export<'a>>,
    is_object: bool,
}

impl<'a> Seen<'a> {
    /// Checks sizes before the validator sees the payload, so that a bomb is refused cheaply.
    fn check(&mut self, payload: &Payload<'a>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => Err(Refusal::Component),
            Payload::StartSection { .. } => Err(Refusal::StartSection),
            Payload::CustomSection(section) => {
                self.is_object |= section.name() == "linking";
                Ok(())
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    self.imports.push(import?);
                }
                Ok(())
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    self.exports.push(export?);
                }
                Ok(())
            }
            Payload::FunctionSection(section) => {
                self.functions = section.count();
                if self.functions > FUNCTIONS_MAX {
                    return Err(Refusal::TooManyFunctions { functions: self.functions });
                }
                Ok(())
            }
            Payload::CodeSectionStart { size, .. } => {
                self.code_bytes = u64::from(*size);
                if self.code_bytes > CODE_BYTES_MAX {
                    return Err(Refusal::CodeTooLarge { bytes: self.code_bytes });
                }
                Ok(())
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = u64::try_from(body.as_bytes().len()).unwrap_or(u64::MAX);
                if bytes > BODY_BYTES_MAX {
                    return Err(Refusal::BodyTooLarge { bytes });
                }
                Ok(())
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let bytes = memory?.initial.saturating_mul(65_536);
                    if bytes > MEMORY_BYTES_MAX {
                        return Err(Refusal::MemoryTooLarge { bytes });
                    }
                    self.memory_min_bytes = self.memory_min_bytes.max(bytes);
                }
                Ok(())
            }
            Payload::TableSection(section) => {
                let tables = section.count();
                if usize::try_from(tables).is_ok_and(|tables| tables > TABLES_MAX) {
                    return Err(Refusal::TooManyTables { tables });
                }
                for table in section.clone() {
                    let elements = table?.ty.initial;
                    if elements > TABLE_ELEMENTS_MAX {
                        return Err(Refusal::TableTooLarge { elements });
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks imports and the entry, once all types are known to be valid.
    fn finish(self, types: TypesRef<'_>) -> Result<Inspection, Refusal> {
        if self.is_object {
            return Err(Refusal::NotLinked);
        }
        for import in &self.imports {
            if let Some(why) = objection(import, types) {
                let (module, name) = (import.module.to_owned(), import.name.to_owned());
                return Err(Refusal::Import { module, name, why });
            }
        }
        let is_entry = |entry: Entry| {
            let mut functions = self.exports.iter().filter(|e| e.kind == ExternalKind::Func);
            functions.any(|e| {
                e.name == entry.export()
                    && function_type(types, e.index).is_some_and(|(p, r)| p.is_empty() && !r)
            })
        };
        let entry = [Entry::Start, Entry::EmptyName].into_iter().find(|entry| is_entry(*entry));
        Ok(Inspection {
            entry: entry.ok_or(Refusal::NoEntry)?,
            functions: self.functions,
            code_bytes: self.code_bytes,
            memory_min_bytes: self.memory_min_bytes,
            imports: self.imports.iter().map(|import| import.name.to_owned()).collect(),
        })
    }
}

/// What is wrong with an import, and the remedy.
fn objection(import: &Import<'_>, types: TypesRef<'_>) -> Option<&'static str> {
    if import.module != imports::MODULE {
        return Some(remedy::of_import(import.module, import.name));
    }
    let TypeRef::Func(index) = import.ty else {
        return Some("which is not a function: let the module define its own memory and tables");
    };
    let known = imports::FUNCTIONS.iter().find(|(name, ..)| *name == import.name);
    let Some((_, parameters, returns)) = known else {
        return Some(remedy::of_import(import.module, import.name));
    };
    let id = types.core_type_at_in_module(index);
    let found = types.get(id).and_then(|ty| letters(ty.unwrap_func()));
    let is_known = found.is_some_and(|(p, r)| p == *parameters && r == *returns);
    (!is_known).then_some("with another type than WASI preview 1 gives it: recompile the program")
}

fn function_type(types: TypesRef<'_>, index: u32) -> Option<(String, bool)> {
    if index >= types.function_count() {
        return None;
    }
    letters(types.get(types.core_function_at(index))?.unwrap_func())
}

/// A type in the letters of [`imports::FUNCTIONS`], when it can be written so.
fn letters(ty: &FuncType) -> Option<(String, bool)> {
    let letter = |ty: &ValType| match ty {
        ValType::I32 => Some('i'),
        ValType::I64 => Some('I'),
        _ => None,
    };
    let parameters = ty.params().iter().map(letter).collect::<Option<String>>()?;
    match ty.results() {
        [] => Some((parameters, false)),
        [ValType::I32] => Some((parameters, true)),
        _ => None,
    }
}
