//! The one place where the agent's state is kept: who works writes to it, and the page, the link
//! and tests read it. What must survive a restart is in `<data>/state.json`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use medusa_protocol::{Lease, Pen};
use medusa_sandbox::Walls;
use medusa_types::Outcome;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::earnings::Worked;
use crate::measure::Speed;
use crate::rules::{Readings, Remote, Scope, Verdict};
use crate::settings::Settings;
use crate::state::{Account, ChunkView, Connection, Phase, SeatView, Tally, View};
use crate::{chance, disk};

mod told;

/// Keeps the state.
#[derive(Debug)]
pub(crate) struct Board {
    data: PathBuf,
    view: watch::Sender<View>,
    /// Whether the server is told to give nothing, by the switch or by the rules.
    closed: watch::Sender<bool>,
    settings: watch::Sender<Settings>,
    /// The rules do not count: this machine lends always.
    pub(crate) always: bool,
    /// The switch was turned, or a limit changed: the rules are asked at once.
    pub(crate) turned: Notify,
    /// The owner wants another identity.
    pub(crate) enrol: Notify,
    /// What the lender asked for on the website.
    remote: watch::Sender<Remote>,
    /// What results are signed with, once there is something.
    pen: watch::Sender<Option<Pen>>,
    /// Programs that are compiled, the last used first.
    pub(crate) cached: watch::Sender<Vec<[u8; 32]>>,
    /// Somebody looks at the earnings.
    pub(crate) looked: Notify,
    /// How long it computed.
    pub(crate) worked: Worked,
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
    pub(crate) fn open(data: &Path, (start, always): (bool, bool), name: &str, slots: u32) -> Self {
        let kept = load(&file(data));
        let paused = !(kept.started || start);
        let view = View {
            connection: Connection::Connecting,
            paused,
            finishing: false,
            leaving: false,
            updating: false,
            verdict: None,
            readings: Readings::default(),
            server: String::new(),
            name: name.to_owned(),
            slots,
            chunks: std::collections::BTreeMap::new(),
            tally: Tally { day: kept.day, done: kept.done, failed: kept.failed }
                .on(chance::today()),
            account: None,
            speed: Speed::load(data),
            walls: None,
        };
        let board = Self {
            data: data.to_owned(),
            view: watch::Sender::new(view),
            closed: watch::Sender::new(true),
            settings: watch::Sender::new(Settings::load(data)),
            always,
            turned: Notify::new(),
            enrol: Notify::new(),
            remote: watch::Sender::default(),
            pen: watch::Sender::default(),
            cached: watch::Sender::new(told::compiled(data)),
            looked: Notify::new(),
            worked: Worked::open(data),
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
        self.switch(paused, false, if paused { "paused" } else { "started" });
    }

    /// Takes no new work, and is off when what is under way is done; the next start is off.
    pub(crate) fn finish(&self) {
        if !self.view.borrow().paused {
            self.switch(false, true, "finishing: no new work");
        }
    }

    fn switch(&self, paused: bool, finishing: bool, words: &str) {
        let is_new = |view: &mut View| {
            let is_other = (view.paused, view.finishing) != (paused, finishing);
            (view.paused, view.finishing) = (paused, finishing);
            is_other
        };
        if self.view.send_if_modified(is_new) {
            self.tell();
            self.keep();
            tracing::info!("{words}");
        }
    }

    /// Takes no new work until the program ends; the switch stays as it is for the next start.
    pub(crate) fn leave(&self) {
        self.view.send_modify(|view| view.leaving = true);
        self.tell();
    }

    /// Takes no new work until a new version takes this one's place; the switch stays.
    pub(crate) fn make_way(&self) {
        self.view.send_modify(|view| view.updating = true);
        self.tell();
    }

    /// The limits as the lender set them.
    pub(crate) fn settings(&self) -> Settings {
        self.settings.borrow().clone()
    }

    /// The limits that the rules go by.
    pub(crate) fn limits(&self) -> Settings {
        let settings = self.settings.borrow();
        if self.always { settings.always() } else { settings.clone() }
    }

    /// Changes limits, and keeps them for the next start.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        let changed = {
            let mut settings = self.settings();
            change(&mut settings);
            settings.in_range()
        };
        if let Err(error) = changed.save(&self.data) {
            tracing::warn!(%error, "the limits could not be kept for the next start");
        }
        self.settings.send_replace(changed);
        self.turned.notify_one();
    }

    /// The rules have decided; each change of their reasons is logged once.
    pub(crate) fn ruled(&self, verdict: Verdict, readings: Readings) {
        let words = |verdict: &Verdict| -> Vec<std::mem::Discriminant<_>> {
            verdict.why.iter().map(std::mem::discriminant).collect()
        };
        let is_new = {
            let view = self.view.borrow();
            let before = view.verdict.as_ref();
            before.is_some_and(|before| words(before) != words(&verdict))
        };
        if is_new {
            let why: Vec<_> = verdict.why.iter().map(ToString::to_string).collect();
            match verdict.scope {
                Scope::Run if why.is_empty() => tracing::info!("free to compute"),
                Scope::Run => tracing::info!("free to compute: {}", why.join(", ")),
                Scope::Hold => tracing::info!("no new work: {}", why.join(", ")),
                Scope::Freeze => tracing::info!("paused: {}", why.join(", ")),
            }
        }
        self.view.send_if_modified(|view| {
            let is_other = view.verdict.as_ref() != Some(&verdict) || view.readings != readings;
            (view.verdict, view.readings) = (Some(verdict), readings);
            is_other
        });
        self.close();
    }

    fn tell(&self) {
        self.close();
        self.turned.notify_one();
    }

    fn close(&self) {
        let closed = self.view.borrow().scope() != Scope::Run;
        self.closed.send_if_modified(|now| std::mem::replace(now, closed) != closed);
    }

    /// How the agent stands with the server.
    pub(crate) fn connection(&self, connection: Connection) {
        self.view.send_modify(|view| view.connection = connection);
    }

    /// Whether the server is reached.
    pub(crate) fn is_connected(&self) -> bool {
        self.view.borrow().is_connected()
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
        self.view.send_modify(|view| view.account = Some(Arc::new(account)));
    }

    /// What stands around guests on this machine.
    pub(crate) fn walled(&self, walls: Walls) {
        self.view.send_modify(|view| view.walls = Some(walls));
    }

    /// This machine's speed was measured.
    pub(crate) fn measured(&self, speed: Speed) {
        if let Err(error) = speed.save(&self.data) {
            tracing::warn!(%error, "the speed could not be kept for the next start");
        }
        self.view.send_modify(|view| view.speed = Some(speed));
    }

    /// A lease was taken on.
    pub(crate) fn taken(&self, lease: &Lease) {
        let chunk = ChunkView {
            job: lease.job.clone(),
            job_name: lease.job_name.clone(),
            chunk: lease.chunk,
            chunks: lease.chunks,
            phase: Phase::Fetching,
            fuel_estimate: lease.fuel_estimate,
            program: lease.program.sha256,
            seat: lease.home.as_ref().map(|_| SeatView::default()),
        };
        self.view.send_modify(|view| {
            let mut chunk = chunk;
            let compiles = |other: &ChunkView| {
                other.phase == Phase::Compiling && other.program == chunk.program
            };
            if view.chunks.values().any(compiles) {
                chunk.phase = Phase::Compiling;
            }
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

    /// A seat does so.
    pub(crate) fn seat(&self, lease: &str, seat: SeatView) {
        self.view.send_if_modified(|view| match view.chunks.get_mut(lease) {
            Some(chunk) => chunk.seat.replace(seat) != Some(seat),
            None => false,
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

    /// The leases whose result is not on its way.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let view = self.view.borrow();
        let open = view.chunks.iter().filter(|(_, chunk)| chunk.phase != Phase::Reporting);
        open.map(|(lease, _)| lease.clone()).collect()
    }

    /// Writes down what must survive.
    pub(crate) fn keep(&self) {
        self.worked.save();
        let kept = {
            let view = self.view.borrow();
            let Tally { day, done, failed } = view.tally;
            Kept { started: !view.paused && !view.finishing, day, done, failed }
        };
        let written = serde_json::to_vec(&kept)
            .map_err(std::io::Error::from)
            .and_then(|content| disk::write(&file(&self.data), &content));
        if let Err(error) = written {
            tracing::warn!(%error, data = %self.data.display(), "the state could not be kept");
        }
    }
}

impl Tally {
    /// The same tally, or an empty one if another day began.
    fn on(self, day: u64) -> Self {
        if self.day == day { self } else { Self { day, ..Self::default() } }
    }

    fn with(mut self, outcome: Outcome) -> Self {
        // A program that fails here fails everywhere, and that is a result that is paid for.
        let count = if outcome.is_verdict() { &mut self.done } else { &mut self.failed };
        *count = count.saturating_add(1);
        self
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("state.json")
}

/// Whether the switch is on with this data directory, as it was kept last.
pub(crate) fn is_on(data: &Path) -> bool {
    load(&file(data)).started
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
        let board = Board::open(scratch.path(), (start, false), "desk", 2);
        board.ruled(free(), Readings::default());
        board
    }

    fn free() -> Verdict {
        let (scope, why, unknown) = (Scope::Run, Vec::new(), Vec::new());
        Verdict { scope, slots: 2, memory_mib: 512, why, unknown, next: None }
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
        board.leave();
        assert!(*board.watch_closed().borrow(), "nothing new is taken");
        board.set_paused(true);
        board.set_paused(false);
        assert!(*board.watch_closed().borrow(), "nothing new is taken whatever the switch says");
        board.keep();
        assert!(!open(&scratch, false).view().paused, "the next start goes on");
    }

    #[test]
    fn a_finished_agent_is_off_until_its_owner_goes_on() {
        let scratch = Scratch::new();
        let board = open(&scratch, true);
        board.finish();
        assert!(*board.watch_closed().borrow() && board.view().scope() == Scope::Hold);
        assert!(open(&scratch, false).view().paused, "the next start waits for a press");
        board.set_paused(false);
        assert!(!*board.watch_closed().borrow(), "the owner goes on");
        assert!(!open(&scratch, false).view().paused);
        board.set_paused(true);
        board.finish();
        assert!(!board.view().finishing, "there is nothing to finish");
    }

    #[test]
    fn the_rules_close_and_open() {
        let scratch = Scratch::new();
        let board = Board::open(scratch.path(), (true, false), "desk", 2);
        assert!(*board.watch_closed().borrow(), "nothing is known about the machine yet");
        board.ruled(free(), Readings::default());
        assert!(!*board.watch_closed().borrow());
        let frozen = Verdict { scope: Scope::Freeze, slots: 0, ..free() };
        board.ruled(frozen, Readings::default());
        assert!(*board.watch_closed().borrow());
    }

    #[test]
    fn limits_survive_a_restart_and_are_in_their_range() {
        let scratch = Scratch::new();
        open(&scratch, false).set(|limits| limits.idle_min = 9_999);
        let board = open(&scratch, false);
        assert_eq!(board.settings().idle_min, 240);
        assert_eq!(board.limits(), board.settings());
        let always = Board::open(scratch.path(), (false, true), "desk", 2);
        assert!(always.limits().on_battery && !always.settings().on_battery);
    }

    #[test]
    fn the_tally_survives_a_restart_of_the_same_day() {
        let scratch = Scratch::new();
        let board = open(&scratch, false);
        board.ended("a", Some(Outcome::Done));
        board.ended("b", Some(Outcome::Trap));
        board.ended("c", Some(Outcome::AgentFault));
        board.ended("d", None);
        board.keep();
        let tally = open(&scratch, false).view().tally;
        assert_eq!(
            (tally.done, tally.failed),
            (2, 1),
            "a program's trap is not the lender's failure"
        );
        assert_eq!(tally.on(tally.day + 1).done, 0);
    }

    #[test]
    fn a_damaged_state_means_paused() {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join("state.json"), "{\"started\":tr").unwrap();
        assert!(open(&scratch, false).view().paused);
    }
}
