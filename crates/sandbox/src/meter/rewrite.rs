//! Puts the meter into a module: the same program, which counts what it does.
//!
//! Given is a module that the [gate](crate::inspect) let in. A 64-bit global is added behind all of
//! its own, so that no instruction of the guest's can name it, and is exported as the last of all
//! exports, for the host. Function bodies are as [`super::body`] makes them; names and other custom
//! sections are left out. The limit is set at run time: one compiled program serves every job.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{BlockType, Encode, ExportKind, Module, RawSection, SectionId};
use wasmparser::{
    BinaryReader, BinaryReaderError, FuncType, FunctionBody, Parser, Payload, RefType, TypeRef,
    ValType,
};

use super::body::{Surroundings, metered};
use super::operator_cost;

/// What the counter is exported as, and a number when the guest has a thing of that name.
pub(crate) const COUNTER: &str = "medusa fuel";

const PAGE_BYTES: u64 = 65_536;
/// All that a 32-bit memory can have.
const MEMORY_BYTES_MAX: u64 = 1 << 32;

/// A module that cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error(transparent)]
    Unreadable(#[from] BinaryReaderError),
    #[error("the module has {0}, which no accepted module has")]
    Strange(&'static str),
}

/// The module with the meter in it.
///
/// # Errors
/// [`RewriteError`], for no module that the gate let in.
pub(crate) fn rewrite(wasm: &[u8]) -> Result<Vec<u8>, RewriteError> {
    Outline::read(wasm)?.write(true)
}

/// The module with the counter, which nothing counts by. It is what metering is measured against,
/// and never runs for anybody.
///
/// # Errors
/// [`RewriteError`], for no module that the gate let in.
pub(crate) fn unmetered(wasm: &[u8]) -> Result<Vec<u8>, RewriteError> {
    Outline::read(wasm)?.write(false)
}

/// Every section that an accepted module can have, in the order in which they come.
const SECTIONS: [SectionId; 11] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Global,
    SectionId::Export,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

/// Of a module what the rewriting has to know.
struct Outline<'a> {
    wasm: &'a [u8],
    /// The content of each section, by its number.
    sections: BTreeMap<u8, &'a [u8]>,
    types: Vec<FuncType>,
    /// The type of each function that it defines.
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    globals: u32,
    exports: BTreeSet<&'a str>,
    memory_bytes_max: u64,
}

impl<'a> Outline<'a> {
    fn read(wasm: &'a [u8]) -> Result<Self, RewriteError> {
        let mut outline = Self {
            wasm,
            sections: BTreeMap::new(),
            types: Vec::new(),
            functions: Vec::new(),
            bodies: Vec::new(),
            globals: 0,
            exports: BTreeSet::new(),
            memory_bytes_max: MEMORY_BYTES_MAX,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Some((number, range)) = payload.as_section() {
                outline.sections.insert(number, wasm.get(range).unwrap_or_default());
            }
            outline.learn(payload)?;
        }
        Ok(outline)
    }

    fn learn(&mut self, payload: Payload<'a>) -> Result<(), RewriteError> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if !matches!(import?.ty, TypeRef::Func(_)) {
                        return Err(RewriteError::Strange("an import that is no function"));
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.functions.push(function?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let bytes = memory?.maximum.map(|pages| pages.saturating_mul(PAGE_BYTES));
                    self.memory_bytes_max = bytes.unwrap_or(MEMORY_BYTES_MAX);
                }
            }
            Payload::GlobalSection(globals) => self.globals = globals.count(),
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.exports.insert(export?.name);
                }
            }
            Payload::StartSection { .. } => return Err(RewriteError::Strange("a start section")),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn write(&self, counted: bool) -> Result<Vec<u8>, RewriteError> {
        let mut types = Types::of(&self.types)?;
        let code = if counted { Some(self.code(&mut types)?) } else { None };
        let mut module = Module::new();
        for id in SECTIONS {
            let own = self.sections.get(&u8::from(id)).copied();
            let content: Option<Cow<'_, [u8]>> = match id {
                SectionId::Type => Some(more(own, &types.added)?.into()),
                SectionId::Global => Some(more(own, &[counter()])?.into()),
                SectionId::Export => Some(more(own, &[self.export()])?.into()),
                SectionId::Code => code.as_deref().or(own).map(Cow::from),
                _ => own.map(Cow::from),
            };
            if let Some(data) = content {
                module.section(&RawSection { id: id.into(), data: &data });
            }
        }
        Ok(module.finish())
    }

    /// The code section, with the meter in every function.
    fn code(&self, types: &mut Types) -> Result<Vec<u8>, RewriteError> {
        let costs = operator_cost();
        let around = Surroundings {
            costs: &costs,
            counter: self.globals,
            memory_bytes_max: self.memory_bytes_max,
        };
        let mut content = Vec::new();
        self.bodies.len().encode(&mut content);
        for (body, function) in self.bodies.iter().zip(&self.functions) {
            let index = usize::try_from(*function).ok();
            let ty = index.and_then(|index| self.types.get(index));
            let ty = ty.ok_or(RewriteError::Strange("a function without a type"))?;
            let params = u32::try_from(ty.params().len()).unwrap_or(u32::MAX);
            let results = types.block(ty.results())?;
            metered(&around, self.wasm, body, params, results)?.encode(&mut content);
        }
        Ok(content)
    }

    /// The counter's export, under a name that is free.
    fn export(&self) -> Vec<u8> {
        let numbered = (1..).map(|number: u64| format!("{COUNTER} {number}"));
        let mut names = std::iter::once(COUNTER.to_owned()).chain(numbered);
        let name = names.find(|name| !self.exports.contains(name.as_str())).unwrap_or_default();
        let mut export = Vec::new();
        name.encode(&mut export);
        ExportKind::Global.encode(&mut export);
        self.globals.encode(&mut export);
        export
    }
}

/// The counter: a mutable 64-bit global.
fn counter() -> Vec<u8> {
    let mut global = Vec::new();
    wasm_encoder::GlobalType { val_type: wasm_encoder::ValType::I64, mutable: true, shared: false }
        .encode(&mut global);
    wasm_encoder::ConstExpr::i64_const(0).encode(&mut global);
    global
}

/// A section's content with more items behind its own.
fn more(content: Option<&[u8]>, items: &[Vec<u8>]) -> Result<Vec<u8>, RewriteError> {
    let content = content.unwrap_or(&[0]);
    let mut reader = BinaryReader::new(content, 0);
    let count = usize::try_from(reader.read_var_u32()?).unwrap_or(usize::MAX);
    let mut longer = Vec::new();
    count.saturating_add(items.len()).encode(&mut longer);
    longer.extend_from_slice(content.get(reader.original_position()..).unwrap_or_default());
    longer.extend(items.iter().flatten());
    Ok(longer)
}

/// The types of blocks with several results.
struct Types {
    /// How many the module has itself.
    own: usize,
    /// Those without parameters, as they are written, with their index.
    known: BTreeMap<Vec<u8>, usize>,
    added: Vec<Vec<u8>>,
}

impl Types {
    fn of(own: &[FuncType]) -> Result<Self, RewriteError> {
        let mut known = BTreeMap::new();
        for (index, ty) in own.iter().enumerate() {
            if ty.params().is_empty() && ty.results().len() > 1 {
                known.insert(block_type(ty.results())?, index);
            }
        }
        Ok(Self { own: own.len(), known, added: Vec::new() })
    }

    /// The type of a block that has no parameters, and these results.
    fn block(&mut self, results: &[ValType]) -> Result<BlockType, RewriteError> {
        match results {
            [] => return Ok(BlockType::Empty),
            [one] => return Ok(BlockType::Result(value_type(*one)?)),
            _ => {}
        }
        let ty = block_type(results)?;
        let next = self.own.saturating_add(self.added.len());
        let index = *self.known.entry(ty.clone()).or_insert(next);
        if index == next {
            self.added.push(ty);
        }
        let index = u32::try_from(index).or(Err(RewriteError::Strange("too many types")))?;
        Ok(BlockType::FunctionType(index))
    }
}

/// A function type without parameters, as it is written.
fn block_type(results: &[ValType]) -> Result<Vec<u8>, RewriteError> {
    let mut ty = vec![0x60, 0];
    results.len().encode(&mut ty);
    for result in results {
        value_type(*result)?.encode(&mut ty);
    }
    Ok(ty)
}

fn value_type(ty: ValType) -> Result<wasm_encoder::ValType, RewriteError> {
    match ty {
        ValType::I32 => Ok(wasm_encoder::ValType::I32),
        ValType::I64 => Ok(wasm_encoder::ValType::I64),
        ValType::F32 => Ok(wasm_encoder::ValType::F32),
        ValType::F64 => Ok(wasm_encoder::ValType::F64),
        ValType::V128 => Ok(wasm_encoder::ValType::V128),
        ValType::Ref(RefType::FUNCREF) => Ok(wasm_encoder::ValType::FUNCREF),
        ValType::Ref(_) => Err(RewriteError::Strange("a type of reference")),
    }
}
