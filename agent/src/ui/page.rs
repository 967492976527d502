//! What the page shows: the same for the first rendering and for each update after it.

use askama::Template;
use medusa_sandbox::{Wall, Walls};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::earnings::{TaskRow, Told};
use super::forms::{Day, LimitsForm};
use super::gauge::{self, Gauge};
use crate::board::Board;
use crate::config::Config;
use crate::install::{Places, autostart};
use crate::logs::Line;
use crate::measure::Speed;
use crate::rules::{Scope, clock::Local};
use crate::settings::Settings;
use crate::state::{ChunkView, Connection, Phase, SeatView, View};
use crate::{chance, os, update};

/// The page for its owner.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    pub(crate) state: State,
    pub(crate) program: Program,
    pub(crate) limits: LimitsForm,
    pub(crate) week: Vec<Day>,
    /// The rules do not count.
    pub(crate) always: bool,
    /// For each form.
    pub(crate) token: String,
    pub(crate) level: Level,
}

/// The program itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) version: &'static str,
    /// Whether it starts with its user, where that can be told.
    pub(crate) autostart: Option<bool>,
    /// Whether it takes updates by itself, in a build that takes any.
    pub(crate) updates: Option<bool>,
}

impl Program {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            autostart: Places::of(config).ok().map(|places| autostart::is_on(&places)),
            updates: update::is_possible(config).then(|| update::is_automatic(&config.data)),
        }
    }
}

/// From which level on lines of the log are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    #[default]
    All,
    Info,
    Warn,
    Error,
}

impl Level {
    /// As the page names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// All tasks, a page at a time.
#[derive(Template)]
#[template(path = "tasks.html")]
pub(crate) struct Tasks {
    pub(crate) name: String,
    /// The tasks, or why they are not known.
    pub(crate) answer: Result<Vec<TaskRow>, String>,
    /// Where earlier ones begin.
    pub(crate) next: Option<String>,
}

/// The page for everybody else; it hands in the code of the link.
#[derive(Template)]
#[template(path = "locked.html")]
pub(crate) struct Locked {}

/// The agent's state, ready to be shown.
#[derive(Debug, Serialize)]
pub(crate) struct State {
    pub(crate) words: String,
    /// `busy`, `idle`, `paused` or `trouble`, for the colour and shape beside the words.
    pub(crate) tone: &'static str,
    pub(crate) paused: bool,
    pub(crate) finishing: bool,
    pub(crate) leaving: bool,
    /// What the rules say, whatever the switch says.
    pub(crate) rules: String,
    /// Rules that cannot be judged here, in words; empty if there are none.
    pub(crate) unknown: String,
    pub(crate) snoozed: bool,
    pub(crate) gauges: Vec<Gauge>,
    pub(crate) enrol: Option<Enrol>,
    pub(crate) revoked: bool,
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) slots: String,
    pub(crate) chunks: Vec<ChunkRow>,
    /// Empty until it is found out.
    pub(crate) walls: Vec<WallRow>,
    /// How fast guests run here; empty until it is measured.
    pub(crate) speed: String,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Credits as decimal text; empty while unknown.
    pub(crate) earned: String,
    /// Earnings, tasks and record, as HTML of this program's own.
    pub(crate) account: String,
    pub(crate) log: Vec<Line>,
}

/// How to enrol this machine.
#[derive(Debug, Serialize)]
pub(crate) struct Enrol {
    pub(crate) code: String,
    pub(crate) uri: String,
    pub(crate) uri_complete: String,
}

/// A chunk in work.
#[derive(Debug, Serialize)]
pub(crate) struct ChunkRow {
    pub(crate) job: String,
    /// Which part of it.
    pub(crate) part: String,
    pub(crate) phase: String,
    /// How far it is by now, in percent, if that can be told.
    pub(crate) done_pct: Option<u64>,
}

/// One wall around guests.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct WallRow {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    /// Whether it is not all there.
    pub(crate) is_low: bool,
}

impl State {
    pub(crate) fn of(board: &Board, log: Vec<Line>) -> Self {
        let clock = os::local(chance::unix_seconds());
        let (view, settings) = (board.view(), board.settings());
        let account = Told::of(&view, &settings, board.worked.window(clock.unix)).html();
        Self { account, ..Self::from_view(view, &settings, log, (Instant::now(), clock)) }
    }

    fn from_view(
        view: View,
        settings: &Settings,
        log: Vec<Line>,
        (now, clock): (Instant, Local),
    ) -> Self {
        Self {
            words: view.in_words(now),
            tone: tone(&view),
            paused: view.paused,
            finishing: view.finishing,
            leaving: view.leaving,
            rules: gauge::would(&view, clock),
            unknown: gauge::unknown(view.verdict.as_ref()),
            snoozed: settings.snooze_until > clock.unix,
            gauges: gauge::gauges(&view),
            enrol: enrol(&view.connection),
            revoked: view.connection == Connection::Revoked,
            chunks: view
                .chunks
                .values()
                .map(|chunk| row(chunk, view.speed.as_ref(), now))
                .collect(),
            walls: view.walls.as_ref().map_or_else(Vec::new, walls),
            speed: view.speed.as_ref().map_or_else(String::new, Speed::in_words),
            name: view.name,
            server: view.server,
            slots: gauge::chunks(view.slots),
            done: view.tally.done,
            failed: view.tally.failed,
            earned: view.account.map_or_else(String::new, |a| a.about.earned.to_string()),
            account: String::new(),
            log,
        }
    }
}

fn tone(view: &View) -> &'static str {
    match view.connection {
        Connection::Revoked | Connection::Cut { .. } => "trouble",
        Connection::Connected if view.scope() == Scope::Freeze => "paused",
        Connection::Connected if !view.chunks.is_empty() => "busy",
        Connection::Connected if view.scope() == Scope::Run => "idle",
        _ => "paused",
    }
}

/// Links come from the server: only web addresses are shown as such.
fn enrol(connection: &Connection) -> Option<Enrol> {
    let Connection::Code { code, uri, uri_complete } = connection else { return None };
    let is_web = |uri: &str| uri.starts_with("https://") || uri.starts_with("http://");
    let uri_complete = if is_web(uri_complete) { uri_complete.clone() } else { "/".into() };
    Some(Enrol { code: code.clone(), uri: uri.clone(), uri_complete })
}

fn walls(walls: &Walls) -> Vec<WallRow> {
    let row = |(name, wall, words)| WallRow { name, words, is_low: wall != Wall::Full };
    walls.in_words().map(row).into()
}

fn row(chunk: &ChunkView, speed: Option<&Speed>, now: Instant) -> ChunkRow {
    let phase = match chunk.phase {
        Phase::Fetching => "fetching".into(),
        Phase::Compiling => "compiling the program".into(),
        Phase::Waiting => "waiting".into(),
        Phase::Running(since) => {
            format!("{} s", now.saturating_duration_since(since).as_secs())
        }
        Phase::Reporting => "sending".into(),
    };
    if let Some(seat) = &chunk.seat {
        return seat_row(chunk, seat, phase);
    }
    let number = u64::from(chunk.chunk).saturating_add(1);
    let done_pct = speed.and_then(|speed| done_pct(chunk, speed, now));
    let part = format!("chunk {number} of {}", chunk.chunks);
    ChunkRow { job: chunk.job_name.clone(), part, phase, done_pct }
}

/// A seat of a session, which is never known to be half done.
fn seat_row(chunk: &ChunkView, seat: &SeatView, phase: String) -> ChunkRow {
    let part = match seat.shard {
        Some(shard) => format!("shard {shard}"),
        None => "waits for a shard".into(),
    };
    let phase = match chunk.phase {
        Phase::Running(_) => format!("round {}, {} answers/s", seat.round, seat.per_s),
        _ => phase,
    };
    ChunkRow { job: format!("session {}", chunk.job_name), part, phase, done_pct: None }
}

/// How far a chunk is, by what it may take and how fast this machine is. It is never told to be
/// done before it is.
fn done_pct(chunk: &ChunkView, speed: &Speed, now: Instant) -> Option<u64> {
    let Phase::Running(since) = chunk.phase else { return None };
    let ms = now.saturating_duration_since(since).as_millis();
    let fuel = ms.saturating_mul(u128::from(speed.one)).checked_div(1_000)?;
    let pct = fuel.saturating_mul(100).checked_div(u128::from(chunk.fuel_estimate?))?;
    u64::try_from(pct.min(99)).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn progress_is_told_where_it_can_be() {
        let now = Instant::now() + Duration::from_secs(60);
        let mut chunk = ChunkView {
            job: "a".into(),
            job_name: "Cell picture".into(),
            chunk: 0,
            chunks: 9,
            phase: Phase::Running(now - Duration::from_secs(2)),
            fuel_estimate: Some(8_000),
            program: [0; 32],
            seat: None,
        };
        let speed = Speed { engine: String::new(), one: 1_000, all: 2_000, cores: 2, at: 0 };
        assert_eq!(done_pct(&chunk, &speed, now), Some(25));
        chunk.fuel_estimate = Some(1_500);
        assert_eq!(done_pct(&chunk, &speed, now), Some(99), "it is not done before it is");
        for unknown in [None, Some(0)] {
            chunk.fuel_estimate = unknown;
            assert_eq!(done_pct(&chunk, &speed, now), None);
        }
        (chunk.fuel_estimate, chunk.phase) = (Some(8_000), Phase::Waiting);
        assert_eq!(done_pct(&chunk, &speed, now), None);
    }

    #[test]
    fn a_seat_shows_its_shard_and_rounds() {
        let now = Instant::now();
        let chunk = ChunkView {
            job: "a".into(),
            job_name: "Digits".into(),
            chunk: 0,
            chunks: 2,
            phase: Phase::Running(now),
            fuel_estimate: None,
            program: [0; 32],
            seat: Some(SeatView { shard: Some(1), round: 204, per_s: 98 }),
        };
        let row = row(&chunk, None, now);
        assert_eq!((row.job.as_str(), row.part.as_str()), ("session Digits", "shard 1"));
        assert_eq!((row.phase.as_str(), row.done_pct), ("round 204, 98 answers/s", None));
    }

    #[test]
    fn a_wall_that_is_not_whole_is_pointed_out() {
        let (full, part) = (Wall::Full, Wall::Part);
        let found = walls(&Walls { files: part, calls: full, rights: full, user: full });
        let low: Vec<_> = found.iter().filter(|row| row.is_low).map(|row| row.name).collect();
        assert_eq!((found.len(), low), (5, vec!["Files (Landlock)"]));
    }
}
