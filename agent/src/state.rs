//! What the agent is doing, as its page and its owner see it, and the same in words. Plain data:
//! [`crate::board::Board`] keeps it up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use medusa_api::{Earnings, TaskPage};
use medusa_protocol::WHY_CHARS_MAX;
use medusa_sandbox::Walls;
use tokio::time::Instant;

use crate::measure::Speed;
use crate::rules::{Readings, Reason, Scope, Verdict};

/// How the agent stands with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not enrolled, and no code to show yet.
    AskingForCode,
    /// Not enrolled: the owner has to type this code.
    Code {
        /// What to type.
        code: String,
        /// Where to type it.
        uri: String,
        /// The same place with the code filled in.
        uri_complete: String,
    },
    /// The server refuses this machine's key.
    Revoked,
    /// The first try is under way.
    Connecting,
    /// Not connected.
    Cut {
        /// Why, in words.
        why: String,
        /// When the next try begins.
        retry_at: Instant,
    },
    /// Connected.
    Connected,
}

/// How far a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its program and input are on the way.
    Fetching,
    /// Its program is being compiled.
    Compiling,
    /// It waits for a free slot.
    Waiting,
    /// It runs since then.
    Running(Instant),
    /// Its result is on the way.
    Reporting,
}

impl Phase {
    /// The same as the server is told it.
    pub(crate) const fn told(self) -> medusa_protocol::Phase {
        use medusa_protocol::Phase as Told;
        match self {
            Self::Fetching => Told::Fetching,
            Self::Compiling => Told::Compiling,
            Self::Waiting => Told::Waiting,
            Self::Running(_) => Told::Computing,
            Self::Reporting => Told::Reporting,
        }
    }
}

/// A chunk that the agent works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkView {
    /// The job.
    pub job: String,
    /// What the job is called.
    pub job_name: String,
    /// The chunk's index, from 0.
    pub chunk: u32,
    /// How many chunks the job has.
    pub chunks: u32,
    /// How far it is.
    pub phase: Phase,
    /// What it may take, in fuel, by what others took; for showing how far it is.
    pub fuel_estimate: Option<u64>,
    /// SHA-256 of its program.
    pub program: [u8; 32],
    /// It is no chunk, but a seat of a session.
    pub seat: Option<SeatView>,
}

/// How a seat of a session does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeatView {
    /// The shard that it has, if it has one.
    pub shard: Option<u32>,
    /// The last round that it answered.
    pub round: u64,
    /// Answers in a second.
    pub per_s: u64,
}

/// What was done on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The day, since 1970 in UTC.
    pub day: u64,
    /// Chunks whose program ended by itself with success.
    pub done: u64,
    /// Chunks that ended in another way.
    pub failed: u64,
}

/// What the server says about this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its record.
    pub about: medusa_api::Agent,
    /// What it earned, by day; nothing of a server that does not tell.
    pub earnings: Option<Earnings>,
    /// Its last tasks, newest first.
    pub tasks: Option<TaskPage>,
}

/// Everything that the page shows.
#[derive(Clone, Debug)]
pub struct View {
    /// How the agent stands with the server.
    pub connection: Connection,
    /// Whether the switch is off: nothing computes.
    pub paused: bool,
    /// Whether it takes no new work, and is switched off when it has none left.
    pub finishing: bool,
    /// Whether it takes none because the program will end.
    pub leaving: bool,
    /// Whether it takes none because a new version will take its place.
    pub updating: bool,
    /// What the rules say, whatever the switch says; none before the first reading.
    pub verdict: Option<Verdict>,
    /// What the machine measured last.
    pub readings: Readings,
    /// The server's address, or nothing when there is none yet.
    pub server: String,
    /// The machine's name.
    pub name: String,
    /// Chunks at the same time, at most.
    pub slots: u32,
    /// Chunks in work, by lease.
    pub chunks: BTreeMap<String, ChunkView>,
    /// Today's tally.
    pub tally: Tally,
    /// Earnings, once known.
    pub account: Option<Arc<Account>>,
    /// How fast guests run here, once measured.
    pub speed: Option<Speed>,
    /// What stands around guests here, once found out.
    pub walls: Option<Walls>,
}

impl View {
    /// How much may happen now, by the switch and the rules together.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let by_switch = match (self.paused, self.finishing || self.leaving || self.updating) {
            (true, _) => Scope::Freeze,
            (false, true) => Scope::Hold,
            (false, false) => Scope::Run,
        };
        by_switch.max(self.verdict.as_ref().map_or(Scope::Hold, |verdict| verdict.scope))
    }

    /// Why less than everything happens, for the lender's page on the website; nothing when
    /// everything does.
    pub(crate) fn why(&self) -> Option<String> {
        let by_switch = match (self.paused, self.leaving, self.finishing) {
            (true, ..) => Some("paused on the machine"),
            (_, true, _) => Some("its program ends when it has finished"),
            (.., true) => Some("finishing: it takes nothing new"),
            _ if self.updating => Some("a new version takes its place when it has finished"),
            _ => None,
        };
        let by_rules = self.verdict.iter().flat_map(|verdict| &verdict.why);
        let by_rules = by_rules.map(Reason::for_the_website);
        let why: Vec<String> = by_switch.map(str::to_owned).into_iter().chain(by_rules).collect();
        let words: String = why.join(", ").chars().take(WHY_CHARS_MAX).collect();
        (!words.is_empty()).then_some(words)
    }

    /// Whether the server is reached.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection == Connection::Connected
    }

    /// The state with its reason.
    #[must_use]
    pub fn in_words(&self, now: Instant) -> String {
        let work = self.work_in_words();
        match &self.connection {
            Connection::AskingForCode => "not enrolled: asking the server for a code".into(),
            Connection::Code { code, uri, .. } => format!("not enrolled: type {code} at {uri}"),
            Connection::Revoked => {
                "the server does not accept this machine's key any more: enrol again".into()
            }
            Connection::Connecting => "connecting".into(),
            Connection::Cut { why, retry_at } => {
                let seconds = whole_seconds(retry_at.saturating_duration_since(now));
                let still = work.map_or_else(String::new, |work| format!("; still {work}"));
                format!("not connected: {why}, next try in {seconds} s{still}")
            }
            Connection::Connected => self.connected_in_words(work),
        }
    }

    /// What a connected machine does.
    fn connected_in_words(&self, work: Option<String>) -> String {
        let frozen = match self.chunks.len() {
            0 => String::new(),
            1 => "; 1 chunk stands still".into(),
            n => format!("; {n} chunks stand still"),
        };
        if self.leaving && work.is_none() {
            return "stopping".into();
        }
        if self.updating && work.is_none() {
            return "a new version takes its place".into();
        }
        if self.paused {
            return format!("paused: press start{frozen}");
        }
        let Some(verdict) = &self.verdict else { return "looking at the machine".into() };
        let why = || {
            let why = verdict.why.iter().filter(|why| why.is_pause());
            why.map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match (verdict.scope, work) {
            (Scope::Freeze, _) => format!("paused: {}{frozen}", why()),
            (_, Some(work)) if self.leaving => {
                format!("finishing: still {work}, and then the program ends")
            }
            (_, Some(work)) if self.updating => {
                format!("finishing: still {work}, and then a new version takes its place")
            }
            (_, Some(work)) if self.finishing => {
                format!("finishing: still {work}, and then nothing new")
            }
            (_, None) if self.finishing => "finished".into(),
            (Scope::Hold, None) => format!("no new work: {}", why()),
            (Scope::Hold, Some(work)) => format!("{work}, and then nothing new: {}", why()),
            (Scope::Run, None) => "connected, waiting for work".into(),
            (Scope::Run, Some(work)) => work,
        }
    }

    /// What is being worked on, if anything.
    fn work_in_words(&self) -> Option<String> {
        let is_running = |chunk: &&ChunkView| matches!(chunk.phase, Phase::Running(_));
        let running: Vec<_> = self.chunks.values().filter(is_running).collect();
        let (verb, shown) = if running.is_empty() {
            let is = |phase| self.chunks.values().any(|chunk| chunk.phase == phase);
            let verb = match (is(Phase::Reporting), is(Phase::Compiling)) {
                (true, _) => "sending results of",
                (false, true) => "compiling the program of",
                (false, false) => "fetching",
            };
            (verb, self.chunks.values().collect())
        } else {
            ("computing", running)
        };
        let jobs: BTreeSet<&str> = shown.iter().map(|c| c.job.as_str()).collect();
        let of = match jobs.len() {
            1 => shown.first().map(|c| c.job_name.clone())?,
            n => format!("{n} jobs"),
        };
        let thing = if shown.iter().all(|c| c.seat.is_some()) { "shard" } else { "chunk" };
        match shown.len() {
            0 => None,
            1 => Some(format!("{verb} 1 {thing} of {of}")),
            n => Some(format!("{verb} {n} {thing}s of {of}")),
        }
    }
}

/// Seconds rounded up, so that a countdown ends with 0 and not before.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(scope: Scope, why: Vec<Reason>) -> Verdict {
        Verdict { scope, slots: 2, memory_mib: 512, why, unknown: Vec::new(), next: None }
    }

    fn view(connection: Connection) -> View {
        View {
            connection,
            paused: false,
            finishing: false,
            leaving: false,
            updating: false,
            verdict: Some(verdict(Scope::Run, Vec::new())),
            readings: Readings::default(),
            server: "http://a".into(),
            name: "desk".into(),
            slots: 2,
            chunks: BTreeMap::new(),
            tally: Tally::default(),
            account: None,
            speed: None,
            walls: None,
        }
    }

    fn chunk(job: &str, phase: Phase) -> ChunkView {
        ChunkView {
            job: job.into(),
            job_name: format!("Cell picture {job}"),
            chunk: 0,
            chunks: 9,
            phase,
            fuel_estimate: None,
            program: [0; 32],
            seat: None,
        }
    }

    fn words(connection: Connection, paused: bool, chunks: &[ChunkView]) -> String {
        words_at(Instant::now(), connection, paused, chunks)
    }

    fn words_at(
        now: Instant,
        connection: Connection,
        paused: bool,
        chunks: &[ChunkView],
    ) -> String {
        let mut view = view(connection);
        view.paused = paused;
        for (lease, chunk) in chunks.iter().enumerate() {
            view.chunks.insert(lease.to_string(), chunk.clone());
        }
        view.in_words(now)
    }

    #[test]
    fn a_connected_agent_says_what_it_does() {
        let running = || chunk("a", Phase::Running(Instant::now()));
        let on = || Connection::Connected;
        assert_eq!(words(on(), false, &[]), "connected, waiting for work");
        assert_eq!(words(on(), true, &[]), "paused: press start");
        let two = [running(), running(), chunk("a", Phase::Waiting)];
        assert_eq!(words(on(), false, &two), "computing 2 chunks of Cell picture a");
        assert_eq!(words(on(), true, &two[..1]), "paused: press start; 1 chunk stands still");
        let jobs = [running(), chunk("b", Phase::Running(Instant::now()))];
        assert_eq!(words(on(), false, &jobs), "computing 2 chunks of 2 jobs");
        let fetching = [chunk("a", Phase::Fetching)];
        assert_eq!(words(on(), false, &fetching), "fetching 1 chunk of Cell picture a");
    }

    #[test]
    fn an_agent_that_will_end_says_what_it_waits_for() {
        let mut view = view(Connection::Connected);
        view.leaving = true;
        assert_eq!(view.in_words(Instant::now()), "stopping");
        view.chunks.insert("1".into(), chunk("a", Phase::Running(Instant::now())));
        assert_eq!(
            view.in_words(Instant::now()),
            "finishing: still computing 1 chunk of Cell picture a, and then the program ends"
        );
        (view.leaving, view.updating) = (false, true);
        assert!(
            view.in_words(Instant::now()).ends_with(", and then a new version takes its place")
        );
        assert_eq!(view.scope(), Scope::Hold);
        view.leaving = true;
        assert!(view.in_words(Instant::now()).ends_with(", and then the program ends"));
        (view.leaving, view.updating, view.finishing) = (false, false, true);
        assert_eq!(
            view.in_words(Instant::now()),
            "finishing: still computing 1 chunk of Cell picture a, and then nothing new"
        );
    }

    #[test]
    fn what_the_rules_say_is_said() {
        let mut view = view(Connection::Connected);
        let running = || chunk("a", Phase::Running(Instant::now()));
        let fewer = Reason::Fewer { slots: 1, of: 2, is_idle: false };
        view.verdict = Some(verdict(Scope::Freeze, vec![Reason::Battery, Reason::Snoozed]));
        assert_eq!(view.in_words(Instant::now()), "paused: on battery, snoozed");
        view.chunks.insert("1".into(), running());
        view.chunks.insert("2".into(), running());
        assert_eq!(
            view.in_words(Instant::now()),
            "paused: on battery, snoozed; 2 chunks stand still"
        );
        view.chunks.remove("2");
        view.verdict = Some(verdict(Scope::Hold, vec![Reason::Metered, fewer.clone()]));
        assert_eq!(
            view.in_words(Instant::now()),
            "computing 1 chunk of Cell picture a, and then nothing new: \
             the connection is paid by volume"
        );
        view.verdict = Some(verdict(Scope::Run, vec![fewer]));
        assert_eq!(view.in_words(Instant::now()), "computing 1 chunk of Cell picture a");
        view.verdict = None;
        assert_eq!(view.in_words(Instant::now()), "looking at the machine");
    }

    #[test]
    fn the_stricter_of_switch_and_rules_holds() {
        let scope = |(paused, finishing, leaving), by_rules| {
            let mut view = view(Connection::Connected);
            (view.paused, view.finishing, view.leaving) = (paused, finishing, leaving);
            view.verdict = Some(verdict(by_rules, Vec::new()));
            view.scope()
        };
        use Scope::{Freeze, Hold, Run};
        assert_eq!(scope((false, false, false), Run), Run);
        assert_eq!(scope((true, true, false), Run), Freeze);
        assert_eq!(scope((false, true, false), Run), Hold);
        assert_eq!(scope((false, false, true), Run), Hold);
        assert_eq!(scope((false, true, false), Freeze), Freeze);
        assert_eq!(scope((false, false, false), Hold), Hold);
    }

    #[test]
    fn a_cut_says_why_and_when_it_goes_on() {
        let now = Instant::now();
        let retry_at = now + Duration::from_millis(3_100);
        let cut = Connection::Cut { why: "connection refused".into(), retry_at };
        assert_eq!(
            words_at(now, cut.clone(), false, &[]),
            "not connected: connection refused, next try in 4 s"
        );
        assert_eq!(
            words_at(now, cut, false, &[chunk("a", Phase::Running(now))]),
            "not connected: connection refused, next try in 4 s; \
             still computing 1 chunk of Cell picture a"
        );
    }

    #[test]
    fn a_new_machine_says_what_to_type() {
        let code = Connection::Code {
            code: "WDJB-MJHT".into(),
            uri: "http://a/device".into(),
            uri_complete: "http://a/device?code=WDJB-MJHT".into(),
        };
        assert_eq!(words(code, true, &[]), "not enrolled: type WDJB-MJHT at http://a/device");
        assert!(words(Connection::Revoked, true, &[]).ends_with("enrol again"));
    }
}
