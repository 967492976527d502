//! A new program's first minute: the old one lies beside it, and comes back when the new one was
//! started often and never got through that minute. All of it is in `<data>/update`.
//!
//! Coming back never switches the machine on and never raises a limit that was lowered meanwhile:
//! the switch stays as it is, and of limits that the old version cannot read all that it
//! understands counts; only the rest is as it was before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::folder;
use crate::board::Board;
use crate::settings::Settings;
use crate::{disk, doctor, os};

/// A program that ran for so long, and then reaches the server or shows its page, has done well.
const MINUTE: Duration = Duration::from_secs(60);
/// Starts that may fail.
const STARTS_MAX: u32 = 3;
/// Between two looks whether it does.
const AGAIN: Duration = Duration::from_secs(5);

/// The content of `probation.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Probation {
    program: PathBuf,
    previous: PathBuf,
    sha256: String,
    starts: u32,
}

/// Counts this start, if a new program is in its first minute. After too many the old one is put
/// back: its path is what has to be started instead. The old one then reads its limits again.
#[must_use]
pub(crate) fn begin(data: &Path) -> Option<PathBuf> {
    let Some(mut on) = load(data) else {
        recall(data);
        return None;
    };
    if on.starts < STARTS_MAX {
        on.starts = on.starts.saturating_add(1);
        if let Err(error) = save(data, &on) {
            tracing::warn!(%error, "a start of the new version could not be counted");
        }
        return None;
    }
    tracing::error!(
        "the new version ended {STARTS_MAX} times in its first minute: back to the old"
    );
    note_refused(data, &on.sha256);
    if let Err(error) = os::put_in_place(&on.previous, &on.program) {
        tracing::error!(%error, "the old version could not be put back");
        return None;
    }
    drop(fs::remove_file(file(data)));
    Some(on.program)
}

/// Ends the new program's first minute when it is over and the server or the page at this link is
/// reached: the old one goes.
pub(crate) async fn settle(data: PathBuf, board: Arc<Board>, page: String) {
    settle_after(MINUTE, AGAIN, &data, &board, &page).await;
}

async fn settle_after(first: Duration, again: Duration, data: &Path, board: &Board, page: &str) {
    let Some(on) = load(data) else { return };
    sleep(first).await;
    while !board.is_connected() && doctor::page(page).await.is_err() {
        sleep(again).await;
    }
    drop(fs::remove_file(&on.previous));
    drop(fs::remove_dir_all(before(data)));
    // Whoever is cut off here begins the minute again.
    drop(fs::remove_file(file(data)));
}

/// The old one lies ready to come back.
pub(super) fn start(
    data: &Path,
    program: &Path,
    previous: &Path,
    sha256: Sha256Hash,
) -> io::Result<()> {
    let (program, previous) = (program.to_owned(), previous.to_owned());
    save(data, &Probation { program, previous, sha256: sha256.to_string(), starts: 0 })
}

/// Keeps a copy of the limits, which a new version may write in a form that the old one does not
/// know.
pub(super) fn remember(data: &Path) -> io::Result<()> {
    // What an update before this one left is of no use.
    drop(fs::remove_dir_all(before(data)));
    disk::make_private_dir(&before(data))?;
    let limits = disk::read(&Settings::file(data))?.unwrap_or_else(|| b"{}".to_vec());
    disk::write(&copy(data), &limits)
}

/// In the old version, when the new one did not stay: makes limits readable that are not, and ends
/// with the copy.
pub(super) fn recall(data: &Path) {
    let read = |path: &Path| disk::read(path).ok().flatten();
    if let (Some(old), Some(new)) = (read(&copy(data)), read(&Settings::file(data)))
        && let Some(limits) = mended(&old, &new)
        && let Err(error) = disk::write(&Settings::file(data), &limits)
    {
        tracing::warn!(%error, "the limits could not be brought back");
        return;
    }
    drop(fs::remove_dir_all(before(data)));
}

/// The old limits with everything of the new ones that this version understands; nothing when it
/// understands all of them.
fn mended(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let is_readable = |limits: &Map<String, Value>| {
        serde_json::from_value::<Settings>(Value::Object(limits.clone())).is_ok()
    };
    if serde_json::from_slice::<Settings>(new).is_ok() {
        return None;
    }
    let mut limits: Map<String, Value> = serde_json::from_slice(old).ok()?;
    let newer: Map<String, Value> = serde_json::from_slice(new).unwrap_or_default();
    for (name, value) in newer {
        let before = limits.insert(name.clone(), value);
        if is_readable(&limits) {
            continue;
        }
        match before {
            Some(before) => drop(limits.insert(name, before)),
            None => drop(limits.remove(&name)),
        }
    }
    serde_json::to_vec_pretty(&limits).ok()
}

fn before(data: &Path) -> PathBuf {
    folder(data).join("before")
}

fn copy(data: &Path) -> PathBuf {
    before(data).join("settings.json")
}

/// This program is not put in place by itself again.
pub(super) fn refuse(data: &Path, sha256: Sha256Hash) {
    note_refused(data, &sha256.to_string());
}

pub(super) fn is_refused(data: &Path, sha256: Sha256Hash) -> bool {
    let refused = fs::read_to_string(folder(data).join("refused")).unwrap_or_default();
    refused.trim() == sha256.to_string()
}

fn note_refused(data: &Path, sha256: &str) {
    let noted = disk::make_private_dir(&folder(data))
        .and_then(|()| disk::write(&folder(data).join("refused"), sha256.as_bytes()));
    if let Err(error) = noted {
        tracing::warn!(%error, "it could not be noted that the new version did not do well");
    }
}

fn file(data: &Path) -> PathBuf {
    folder(data).join("probation.json")
}

fn load(data: &Path) -> Option<Probation> {
    serde_json::from_slice(&disk::read(&file(data)).ok().flatten()?).ok()
}

fn save(data: &Path, on: &Probation) -> io::Result<()> {
    disk::make_private_dir(&folder(data))?;
    disk::write(&file(data), &serde_json::to_vec(on)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::state::Connection;

    #[test]
    fn the_old_version_comes_back_after_three_starts() {
        let scratch = Scratch::new();
        let (data, at) = (scratch.path().join("data"), |name| scratch.path().join(name));
        fs::create_dir(&data).unwrap();
        fs::write(at("agent"), "new").unwrap();
        assert_eq!(begin(&data), None, "nothing is on probation");
        remember(&data).unwrap();
        let sha256 = Sha256Hash::of(b"new");
        start(&data, &at("agent"), &at("agent.previous"), sha256).unwrap();
        for _ in 0..=STARTS_MAX {
            assert_eq!(begin(&data), None, "there is nothing yet to put back");
        }
        assert!(load(&data).is_some(), "the next start tries again");
        fs::write(at("agent.previous"), "old").unwrap();
        assert_eq!(begin(&data), Some(at("agent")));
        assert_eq!(fs::read_to_string(at("agent")).unwrap(), "old");
        assert!(is_refused(&data, sha256) && !is_refused(&data, Sha256Hash::of(b"newer")));
        assert!(before(&data).exists() && load(&data).is_none());
        assert_eq!(begin(&data), None);
        assert!(!before(&data).exists(), "the old version has looked at its limits");
    }

    /// What is left of limits and switch when the old version is back.
    fn back(old: &str, new: &str) -> (Settings, String) {
        let scratch = Scratch::new();
        let data = scratch.path();
        let (limits, state) = (Settings::file(data), data.join("state.json"));
        fs::write(&limits, old).unwrap();
        fs::write(&state, "{\"started\":true}").unwrap();
        remember(data).unwrap();
        fs::write(&limits, new).unwrap();
        fs::write(&state, "{\"started\":false}").unwrap();
        assert_eq!(begin(data), None);
        (Settings::load(data), fs::read_to_string(state).unwrap())
    }

    #[test]
    fn coming_back_never_switches_on_nor_raises_a_limit() {
        let (limits, state) = back("{\"disk_gb\":9}", "{\"disk_gb\":2}");
        assert_eq!((limits.disk_gb, state.as_str()), (2, "{\"started\":false}"));
        let old = "{\"disk_gb\":9,\"watts\":50,\"idle_min\":30}";
        let new = "{\"disk_gb\":2,\"idle_min\":\"much\",\"moon\":true}";
        let (limits, state) = back(old, new);
        assert_eq!((limits.disk_gb, limits.watts, limits.idle_min), (2, 50, 30));
        assert_eq!(state, "{\"started\":false}");
        let (limits, _) = back(old, "disk: 2");
        assert_eq!((limits.disk_gb, limits.idle_min), (9, 30), "another form tells nothing");
    }

    #[tokio::test]
    async fn a_version_stays_after_its_first_time_with_its_server() {
        let scratch = Scratch::new();
        let (data, old) = (scratch.path(), scratch.path().join("agent.previous"));
        let board = Board::open(data, (false, false), "desk", 1);
        let is_on = || old.exists() && load(data).is_some() && before(data).exists();
        fs::write(&old, "old").unwrap();
        remember(data).unwrap();
        start(data, &data.join("agent"), &old, Sha256Hash::of(b"new")).unwrap();
        let (soon, late) = (Duration::from_millis(1), Duration::from_millis(300));
        let settled = settle_after(soon, soon, data, &board, "no page");
        assert!(tokio::time::timeout(late, settled).await.is_err() && is_on(), "it reached nobody");
        board.connection(Connection::Connected);
        let settled = settle_after(MINUTE, soon, data, &board, "no page");
        assert!(tokio::time::timeout(late, settled).await.is_err() && is_on(), "a link alone");
        settle_after(soon, soon, data, &board, "no page").await;
        assert!(!old.exists() && load(data).is_none() && !before(data).exists());
    }
}
