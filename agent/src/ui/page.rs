//! What the page shows: the same for the first rendering and for each update after it.

use askama::Template;
use serde::Serialize;
use tokio::time::Instant;

use crate::board::Board;
use crate::logs::{Line, Logs};
use crate::state::{ChunkView, Connection, Phase, View};

/// The page for its owner.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page {
    pub(crate) state: State,
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
    pub(crate) fn of(board: &Board, logs: &Logs) -> Self {
        Self::from_view(board.view(), logs.lines(), Instant::now())
    }

    fn from_view(view: View, log: Vec<Line>, now: Instant) -> Self {
        Self {
            words: view.in_words(now),
            tone: tone(&view),
            paused: view.paused,
            finishing: view.finishing,
            enrol: enrol(&view.connection),
            revoked: view.connection == Connection::Revoked,
            chunks: view.chunks.values().map(|chunk| row(chunk, now)).collect(),
            name: view.name,
            server: view.server,
            slots: chunks(view.slots),
            done: view.tally.done,
            failed: view.tally.failed,
            earned: view.account.map_or_else(String::new, |a| a.earned.to_string()),
            log,
        }
    }
}

/// So many chunks, in words.
fn chunks(n: u32) -> String {
    if n == 1 { "1 chunk".into() } else { format!("{n} chunks") }
}

fn tone(view: &View) -> &'static str {
    match view.connection {
        Connection::Revoked | Connection::Cut { .. } => "trouble",
        Connection::Connected if !view.chunks.is_empty() => "busy",
        Connection::Connected if !view.paused => "idle",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_chunk_is_one() {
        assert_eq!([0, 1, 2].map(chunks), ["0 chunks", "1 chunk", "2 chunks"]);
    }
}
