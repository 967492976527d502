//! Compiled modules: found or fetched and compiled once, then remembered. The sandbox inspects
//! every module before it compiles it; a refused one stays refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use medusa_protocol::Blob;
use medusa_sandbox::{CompileError, Compiled, Modules};
use medusa_types::{Outcome, Sha256Hash};
use tokio::sync::OnceCell;

use super::run::Fault;
use crate::board::Board;
use crate::fetch::Blobs;
use crate::server::Server;

/// Programs that are remembered; past it all are forgotten, and found again on disk.
const PROGRAMS_MAX: usize = 64;

/// A program that is loaded, or why it will never be.
type Loaded = Result<Compiled, Fault>;

/// By hash and strictness; the cell is empty while the first chunk loads it.
type Known = HashMap<(Sha256Hash, bool), Arc<OnceCell<Loaded>>>;

/// The programs that leases named so far.
pub(crate) struct Programs {
    modules: Modules,
    board: Arc<Board>,
    known: Mutex<Known>,
}

impl Programs {
    pub(crate) fn new(modules: Modules, board: Arc<Board>) -> Self {
        Self { modules, board, known: Mutex::new(HashMap::new()) }
    }

    /// What starts workers.
    pub(crate) const fn modules(&self) -> &Modules {
        &self.modules
    }

    /// The program of this blob. Chunks that ask at the same time wait for one compilation.
    pub(crate) async fn get(
        &self,
        server: &Server,
        blobs: &Blobs,
        blob: &Blob,
        strict: bool,
    ) -> Result<Compiled, Fault> {
        let cell = self.cell((Sha256Hash(blob.sha256), strict));
        let load = async || self.load(server, blobs, blob, strict).await;
        let loaded = cell.get_or_try_init(load).await?.clone();
        if loaded.is_ok() {
            self.board.has_compiled(blob.sha256);
        }
        loaded
    }

    /// Forgets a program whose compiled file is no more.
    pub(crate) fn forget(&self, program: &Compiled) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(program.program, program.strict));
    }

    fn cell(&self, key: (Sha256Hash, bool)) -> Arc<OnceCell<Loaded>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= PROGRAMS_MAX && !known.contains_key(&key) {
            known.clear();
        }
        Arc::clone(known.entry(key).or_default())
    }

    /// The outer error may pass and is not remembered.
    async fn load(
        &self,
        server: &Server,
        blobs: &Blobs,
        blob: &Blob,
        strict: bool,
    ) -> Result<Loaded, Fault> {
        let program = Sha256Hash(blob.sha256);
        let found = self.modules.find(program, strict).await;
        if let Some(compiled) = found.map_err(|error| Fault::because("no worker", &error))? {
            return Ok(Ok(compiled));
        }
        let wasm = blobs.whole(server, blob).await?;
        self.board.compiles(blob.sha256);
        match self.modules.compiled(program, strict, wasm).await {
            Ok(compiled) => Ok(Ok(compiled)),
            Err(error) => {
                let fault = Fault::because("the program was not made ready", &error);
                let fault = match error {
                    CompileError::TooLong => fault.told_as(Outcome::CompileOut),
                    CompileError::Memory { .. } => Fault::too_much(error.to_string()),
                    _ => fault,
                };
                if error.is_refusal() { Ok(Err(fault)) } else { Err(fault) }
            }
        }
    }
}
