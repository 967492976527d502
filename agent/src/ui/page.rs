//! What the page shows: the same for the first rendering and for each update after it.

use askama::Template;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::forms::{Day, LimitsForm};
use super::gauge::{self, Gauge};
use crate::board::Board;
use crate::logs::Line;
use crate::rules::{Scope, clock::Local};
use crate::settings::Settings;
use crate::state::{ChunkView, Connection, Phase, View};
use crate::{chance, os};

/// The page for its owner.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    pub(crate) state: State,
    pub(crate) limits: LimitsForm,
    pub(crate) week: Vec<Day>,
    /// The rules do not count.
    pub(crate) always: bool,
    /// For each form.
    pub(crate) token: String,
    pub(crate) level: Level,
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
    /// What computing costs; empty while the price or the power is not set.
    pub(crate) electricity: String,
    pub(crate) enrol: Option<Enrol>,
    pub(crate) revoked: bool,
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) slots: String,
    pub(crate) chunks: Vec<ChunkRow>,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Credits as decimal text; empty while unknown.
    pub(crate) earned: String,
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
    /// From 1.
    pub(crate) number: u64,
    pub(crate) of: u32,
    pub(crate) phase: String,
}

impl State {
    pub(crate) fn of(board: &Board, log: Vec<Line>) -> Self {
        let clock = os::local(chance::unix_seconds());
        Self::from_view(board.view(), &board.settings(), log, (Instant::now(), clock))
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
            rules: gauge::rules(view.verdict.as_ref(), clock),
            unknown: gauge::unknown(view.verdict.as_ref()),
            snoozed: settings.snooze_until > clock.unix,
            gauges: gauge::gauges(&view),
            electricity: gauge::electricity(settings),
            enrol: enrol(&view.connection),
            revoked: view.connection == Connection::Revoked,
            chunks: view.chunks.values().map(|chunk| row(chunk, now)).collect(),
            name: view.name,
            server: view.server,
            slots: gauge::chunks(view.slots),
            done: view.tally.done,
            failed: view.tally.failed,
            earned: view.account.map_or_else(String::new, |a| a.earned.to_string()),
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

fn row(chunk: &ChunkView, now: Instant) -> ChunkRow {
    let phase = match chunk.phase {
        Phase::Fetching => "fetching".into(),
        Phase::Waiting => "waiting".into(),
        Phase::Running(since) => {
            format!("{} s", now.saturating_duration_since(since).as_secs())
        }
        Phase::Reporting => "sending".into(),
    };
    let number = u64::from(chunk.chunk).saturating_add(1);
    ChunkRow { job: chunk.job_name.clone(), number, of: chunk.chunks, phase }
}
