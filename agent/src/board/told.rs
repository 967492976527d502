//! What the server and the agent tell each other beside work: wishes of the lender from afar, the
//! pen, compiled programs, and what a pulse says.
//!
//! The list of compiled programs is in `<data>/programs.json`, because the server gives jobs first
//! to who has their program. Whether it still is compiled is looked at when it is needed.

use std::path::Path;

use medusa_protocol::{CACHED_MAX, Pen, Pulse, Settings};
use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};

use super::Board;
use crate::disk;
use crate::rules::{Remote, Scope};
use crate::state::{ChunkView, Phase, View};

const FILE: &str = "programs.json";
/// Another version of the agent may have another engine.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The content of the file.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: String,
    programs: Vec<Sha256Hash>,
}

/// The programs that were compiled when the agent ended, the last used first.
pub(super) fn compiled(data: &Path) -> Vec<[u8; 32]> {
    let content = disk::read(&data.join(FILE)).ok().flatten().unwrap_or_default();
    let kept: Kept = serde_json::from_slice(&content).unwrap_or_default();
    let is_ours = kept.version == VERSION;
    kept.programs.into_iter().filter(|_| is_ours).map(|program| program.0).collect()
}

fn keep(data: &Path, programs: &[[u8; 32]]) {
    let programs = programs.iter().map(|program| Sha256Hash(*program)).collect();
    let kept = Kept { version: VERSION.to_owned(), programs };
    let written = serde_json::to_vec(&kept)
        .map_err(std::io::Error::from)
        .and_then(|content| disk::write(&data.join(FILE), &content));
    if let Err(error) = written {
        tracing::debug!(%error, "the list of compiled programs was not kept");
    }
}

impl Board {
    /// What the lender asks for on the website, until something else is asked.
    pub(crate) fn steered(&self, settings: &Settings) {
        let mib = |bytes: u64| bytes.checked_div(1 << 20).unwrap_or_default();
        let memory_mib = settings.memory_bytes.map(mib);
        let remote = Remote { paused: settings.paused, slots: settings.slots, memory_mib };
        let is_new = |kept: &mut Remote| std::mem::replace(kept, remote.clone()) != remote;
        if self.remote.send_if_modified(is_new) {
            tracing::info!("the limits of the website have changed");
            self.turned.notify_one();
        }
        if let Some(note) = &settings.note {
            tracing::info!("the server says: {note}");
        }
    }

    /// What the lender asked for on the website last.
    pub(crate) fn remote(&self) -> Remote {
        self.remote.borrow().clone()
    }

    /// From now on results are signed with this.
    pub(crate) fn sign_with(&self, pen: Pen) {
        self.pen.send_replace(Some(pen));
    }

    /// What results are signed with.
    pub(crate) fn pen(&self) -> Option<Pen> {
        self.pen.borrow().clone()
    }

    /// A program was compiled, or used again.
    pub(crate) fn has_compiled(&self, program: [u8; 32]) {
        let is_new = self.cached.send_if_modified(|cached| {
            let known = cached.iter().position(|other| *other == program);
            if let Some(at) = known {
                cached.remove(at);
            }
            cached.insert(0, program);
            cached.truncate(CACHED_MAX);
            known.is_none()
        });
        if is_new {
            keep(&self.data, &self.cached.borrow());
        }
    }

    /// Ends when nothing is done, though it may be.
    pub(crate) async fn is_idle(&self) {
        let mut view = self.watch();
        let is_idle = |view: &View| view.scope() == Scope::Run && view.chunks.is_empty();
        // The board lives as long as whoever waits.
        let _idle = view.wait_for(is_idle).await.is_ok();
    }

    /// This program is being compiled: the chunks that wait for it say so.
    pub(crate) fn compiles(&self, program: [u8; 32]) {
        self.view.send_modify(|view| {
            let waits =
                |chunk: &&mut ChunkView| chunk.program == program && chunk.phase == Phase::Fetching;
            view.chunks.values_mut().filter(waits).for_each(|c| c.phase = Phase::Compiling);
        });
    }

    /// What the server is told in a pulse; without the programs.
    pub(crate) fn pulse(&self) -> Pulse {
        let view = self.view.borrow();
        let phases = view.chunks.values().map(|chunk| chunk.phase.told().number());
        let verdict = view.verdict.as_ref().filter(|verdict| verdict.slots > 0);
        Pulse {
            paused: *self.closed.borrow(),
            running: view.chunks.keys().cloned().collect(),
            slots: verdict.map(|verdict| verdict.slots),
            why: view.why(),
            phases: phases.collect(),
            cached: None,
            memory_bytes: verdict.map(|verdict| verdict.memory_mib.saturating_mul(1 << 20)),
        }
    }
}
