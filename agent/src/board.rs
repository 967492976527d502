//! The one place where the agent's state is kept: who works writes to it, and the page, the link
//! and tests read it. What must survive a restart is in `<data>/state.json`.

use std::path::{Path, PathBuf};

use medusa_protocol::Lease;
use medusa_types::Outcome;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::state::{Account, ChunkView, Connection, Phase, Tally, View};
use crate::{chance, disk};

/// Keeps the state.
#[derive(Debug)]
pub(crate) struct Board {
    file: PathBuf,
    view: watch::Sender<View>,
    /// Whether the server is told to give nothing: the switch, or the end that is near.
    closed: watch::Sender<bool>,
    /// The owner wants another identity.
    pub(crate) enrol: Notify,
    /// Somebody looks at the earnings.
    pub(crate) looked: Notify,
}

/// The content of `state.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    started: bool,
    day: u64,
    done: u64,
    failed: u64,
}

impl Board {
    /// A board that goes on where the last one of this data directory ended. The agent is paused
    /// unless its owner started it before, or `start` says so now.
    pub(crate) fn open(data: &Path, start: bool, name: &str, slots: u32) -> Self {
        let file = data.join("state.json");
        let kept = load(&file);
        let paused = !(kept.started || start);
        let view = View {
            connection: Connection::Connecting,
            paused,
            finishing: false,
            server: String::new(),
            name: name.to_owned(),
            slots,
            chunks: std::collections::BTreeMap::new(),
            tally: Tally { day: kept.day, done: kept.done, failed: kept.failed }
                .on(chance::today()),
            account: None,
        };
        let board = Self {
            file,
            view: watch::Sender::new(view),
            closed: watch::Sender::new(paused),
            enrol: Notify::new(),
            looked: Notify::new(),
        };
        if kept.started == paused {
            board.keep();
        }
        board
    }

    /// The state now, with a tally of today.
    pub(crate) fn view(&self) -> View {
        let mut view = self.view.borrow().clone();
        view.tally = view.tally.on(chance::today());
        view
    }

    /// Follows the state.
    pub(crate) fn watch(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Follows whether new work is taken.
    pub(crate) fn watch_closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Turns the switch, and keeps it for the next start.
    pub(crate) fn set_paused(&self, paused: bool) {
        let is_new = |view: &mut View| std::mem::replace(&mut view.paused, paused) != paused;
        if self.view.send_if_modified(is_new) {
            self.tell();
            self.keep();
            tracing::info!("{}", if paused { "paused: no new work" } else { "started" });
        }
    }

    /// Takes no new work until the end; the switch stays as it is for the next start.
    pub(crate) fn finish(&self) {
        self.view.send_modify(|view| view.finishing = true);
        self.tell();
    }

    fn tell(&self) {
        let closed = {
            let view = self.view.borrow();
            view.paused || view.finishing
        };
        self.closed.send_if_modified(|now| std::mem::replace(now, closed) != closed);
    }

    /// How the agent stands with the server.
    pub(crate) fn connection(&self, connection: Connection) {
        self.view.send_modify(|view| view.connection = connection);
    }

    /// Whether the server refuses this machine's key.
    pub(crate) fn is_revoked(&self) -> bool {
        self.view.borrow().connection == Connection::Revoked
    }

    /// Which machine this is, where.
    pub(crate) fn identified(&self, server: &str, name: Option<&str>) {
        self.view.send_modify(|view| {
            server.clone_into(&mut view.server);
            if let Some(name) = name {
                name.clone_into(&mut view.name);
            }
        });
    }

    /// What the server says about this machine.
    pub(crate) fn account(&self, account: Account) {
        self.view.send_modify(|view| view.account = Some(account));
    }

    /// A lease was taken on.
    pub(crate) fn taken(&self, lease: &Lease) {
        let chunk = ChunkView {
            job: lease.job.clone(),
            job_name: lease.job_name.clone(),
            chunk: lease.chunk,
            chunks: lease.chunks,
            phase: Phase::Fetching,
        };
        self.view.send_modify(|view| {
            view.chunks.insert(lease.lease.clone(), chunk);
        });
    }

    /// A lease went on.
    pub(crate) fn phase(&self, lease: &str, phase: Phase) {
        self.view.send_modify(|view| {
            if let Some(chunk) = view.chunks.get_mut(lease) {
                chunk.phase = phase;
            }
        });
    }

    /// A lease ended: with an outcome, or without one because nobody wants it any more.
    pub(crate) fn ended(&self, lease: &str, outcome: Option<Outcome>) {
        self.view.send_modify(|view| {
            view.chunks.remove(lease);
            if let Some(outcome) = outcome {
                view.tally = view.tally.on(chance::today()).with(outcome);
            }
        });
    }

    /// The leases in work; the server renews them.
    pub(crate) fn leases(&self) -> Vec<String> {
        self.view.borrow().chunks.keys().cloned().collect()
    }

    /// Writes down what must survive.
    pub(crate) fn keep(&self) {
        let kept = {
            let view = self.view.borrow();
            let Tally { day, done, failed } = view.tally;
            Kept { started: !view.paused, day, done, failed }
        };
        let written = serde_json::to_vec(&kept)
            .map_err(std::io::Error::from)
            .and_then(|content| disk::write(&self.file, &content));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "the state could not be kept");
        }
    }
}

impl Tally {
    /// The same tally, or an empty one if another day began.
    fn on(self, day: u64) -> Self {
        if self.day == day { self } else { Self { day, ..Self::default() } }
    }

    fn with(mut self, outcome: Outcome) -> Self {
        let count = if outcome == Outcome::Done { &mut self.done } else { &mut self.failed };
        *count = count.saturating_add(1);
        self
    }
}

/// What was kept. A damaged file is like none: then the agent starts paused.
fn load(file: &Path) -> Kept {
    let content = disk::read(file).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn open(scratch: &Scratch, start: bool) -> Board {
        Board::open(scratch.path(), start, "desk", 2)
    }

    #[test]
    fn an_agent_starts_paused_until_it_was_started_once() {
        let scratch = Scratch::new();
        let board = open(&scratch, false);
        assert!(board.view().paused);
        board.set_paused(false);
        assert!(!*board.watch_closed().borrow());
        assert!(!open(&scratch, false).view().paused, "it was started before");
        board.set_paused(true);
        assert!(open(&scratch, false).view().paused, "it was paused before");
        assert!(!open(&scratch, true).view().paused, "it is started now");
        assert!(!open(&scratch, false).view().paused, "it was started by an argument before");
    }

    #[test]
    fn the_end_of_a_day_is_no_pause() {
        let scratch = Scratch::new();
        let board = open(&scratch, true);
        board.finish();
        assert!(*board.watch_closed().borrow(), "nothing new is taken");
        board.set_paused(true);
        board.set_paused(false);
        assert!(*board.watch_closed().borrow(), "nothing new is taken whatever the switch says");
        board.keep();
        assert!(!open(&scratch, false).view().paused, "the next start goes on");
    }

    #[test]
    fn the_tally_survives_a_restart_of_the_same_day() {
        let scratch = Scratch::new();
        let board = open(&scratch, false);
        board.ended("a", Some(Outcome::Done));
        board.ended("b", Some(Outcome::Exit(3)));
        board.ended("c", None);
        board.keep();
        let tally = open(&scratch, false).view().tally;
        assert_eq!((tally.done, tally.failed), (1, 1));
        assert_eq!(tally.on(tally.day + 1).done, 0);
    }

    #[test]
    fn a_damaged_state_means_paused() {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join("state.json"), "{\"started\":tr").unwrap();
        assert!(open(&scratch, false).view().paused);
    }
}
