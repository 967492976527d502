//! A new program's first minute: the old one lies beside it, and comes back when the new one was
//! started often and never got through that minute. All of it is in `<data>/update`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use medusa_types::Sha256Hash;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::folder;
use crate::board::Board;
use crate::{disk, os};

/// A program that ran for so long has done well.
const MINUTE: Duration = Duration::from_secs(60);
/// Starts that may fail.
const STARTS_MAX: u32 = 3;
/// Files that a new version may write in a form that the old one does not know.
const KEPT: [&str; 2] = ["settings.json", "state.json"];

/// The content of `probation.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Probation {
    program: PathBuf,
    previous: PathBuf,
    sha256: String,
    starts: u32,
}

/// Counts this start, if a new program is in its first minute. After too many the old one is put
/// back: its path is what has to be started instead.
#[must_use]
pub(crate) fn begin(data: &Path) -> Option<PathBuf> {
    let mut on = load(data)?;
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
    drop(fs::remove_file(file(data)));
    if let Err(error) = os::put_in_place(&on.previous, &on.program) {
        tracing::error!(%error, "the old version could not be put back");
        return None;
    }
    note_refused(data, &on.sha256);
    recall(data);
    Some(on.program)
}

/// Ends the new program's first minute when it is over: the old one goes.
pub(crate) async fn settle(data: PathBuf, board: Arc<Board>) {
    if let Some(on) = load(&data) {
        let mut views = board.watch();
        let linked = async { views.wait_for(|view| view.is_connected()).await.is_ok() };
        tokio::select! {
            () = sleep(MINUTE) => {}
            _ = linked => {}
        }
        drop(fs::remove_file(file(&data)));
        drop(fs::remove_file(&on.previous));
    }
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

/// Keeps copies of what the old version could not read again.
pub(super) fn remember(data: &Path) -> io::Result<()> {
    let before = folder(data).join("before");
    disk::make_private_dir(&before)?;
    for name in KEPT {
        if let Some(content) = disk::read(&data.join(name))? {
            disk::write(&before.join(name), &content)?;
        }
    }
    Ok(())
}

/// Brings those back.
pub(super) fn recall(data: &Path) {
    for name in KEPT {
        let kept = disk::read(&folder(data).join("before").join(name)).ok().flatten();
        let Some(content) = kept else { continue };
        if let Err(error) = disk::write(&data.join(name), &content) {
            tracing::warn!(%error, name, "a file could not be brought back");
        }
    }
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
        fs::write(at("agent.previous"), "old").unwrap();
        fs::write(data.join("settings.json"), "old form").unwrap();
        assert_eq!(begin(&data), None, "nothing is on probation");
        remember(&data).unwrap();
        let sha256 = Sha256Hash::of(b"new");
        start(&data, &at("agent"), &at("agent.previous"), sha256).unwrap();
        fs::write(data.join("settings.json"), "new form").unwrap();
        for _ in 0..STARTS_MAX {
            assert_eq!(begin(&data), None);
        }
        assert_eq!(begin(&data), Some(at("agent")));
        assert_eq!(fs::read_to_string(at("agent")).unwrap(), "old");
        assert_eq!(fs::read_to_string(data.join("settings.json")).unwrap(), "old form");
        assert!(is_refused(&data, sha256) && !is_refused(&data, Sha256Hash::of(b"newer")));
        assert_eq!(begin(&data), None);
    }

    #[tokio::test]
    async fn a_version_that_reaches_the_server_stays() {
        let scratch = Scratch::new();
        let old = scratch.path().join("agent.previous");
        fs::write(&old, "old").unwrap();
        let sha256 = Sha256Hash::of(b"new");
        start(scratch.path(), &scratch.path().join("agent"), &old, sha256).unwrap();
        let board = Arc::new(Board::open(scratch.path(), (false, false), "desk", 1));
        board.connection(Connection::Connected);
        settle(scratch.path().to_owned(), board).await;
        assert!(!old.exists() && load(scratch.path()).is_none());
    }
}
