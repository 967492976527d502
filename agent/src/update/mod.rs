//! Updates that the lender allows: signed, tried before they replace anything, and taken back when
//! they do not do well.
//!
//! A newer program is downloaded beside the one that runs and checked against the signed list. When
//! the machine has finished what it had, the new one is started once for a *rehearsal*, with the
//! same arguments and data: it has to run a guest, answer on its page, and reach the server if the
//! old one did. Only then it takes the place of the old one, which is kept until the new one has
//! run for a minute and reaches the server or shows its page. Nothing happens by itself while the
//! switch is off.

mod manifest;
mod probation;
mod rehearsal;
mod source;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use medusa_types::Sha256Hash;
use tokio::task::spawn_blocking;

use manifest::{ManifestError, Release};
pub(crate) use probation::{begin, settle};
pub(crate) use rehearsal::rehearse;
pub(crate) use source::{Asked, Source, ask, is_possible, keep};

use crate::config::Config;
use crate::server::CallError;
use crate::{disk, os};

/// The files that updates keep in their folder, without their endings.
pub(crate) const FILES: [&str; 6] =
    ["asked", "automatic", "probation", "refused", "settings", "state"];

/// Why there was no update.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    /// This build trusts nobody.
    #[error("this build trusts no key for updates: install the new version by hand")]
    NoKey,
    /// It does not know where to look.
    #[error("this build knows no place for updates: name one with --update-from")]
    NoAddress,
    /// The server of updates did not give what was asked.
    #[error("the new version could not be downloaded: {0}")]
    Call(String),
    /// The list of versions is of no use.
    #[error("{0}")]
    List(String),
    /// What came is not what was signed.
    #[error("what was downloaded is not the program that was signed")]
    Altered,
    /// The program cannot be replaced.
    #[error("{path} cannot be replaced ({source}): update it the way it was installed")]
    Place {
        /// The program, or what belongs beside it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was tried before.
    #[error("version {0} was tried here and did not do well")]
    Refused(String),
    /// The new one did not do well.
    #[error("version {version} did not do well here, so nothing was changed: {why}")]
    Rehearsal {
        /// The new version.
        version: String,
        /// What it said.
        why: String,
    },
}

impl From<CallError> for UpdateError {
    fn from(error: CallError) -> Self {
        Self::Call(error.to_string())
    }
}

impl From<ManifestError> for UpdateError {
    fn from(error: ManifestError) -> Self {
        Self::List(error.to_string())
    }
}

/// A program that is newer, signed, and lies beside the one that runs.
#[derive(Debug)]
pub(crate) struct Fresh {
    release: Release,
    /// The program that runs.
    program: PathBuf,
    /// The new one.
    beside: PathBuf,
}

impl Fresh {
    /// Its version.
    #[must_use]
    pub(crate) fn version(&self) -> String {
        self.release.version.to_string()
    }

    /// Writes the program beside the one that runs, if it is the one that was signed.
    fn keep(release: Release, content: &[u8], program: &Path) -> Result<Self, UpdateError> {
        if Sha256Hash::of(content) != release.sha256 {
            return Err(UpdateError::Altered);
        }
        let beside = with(program, "new");
        let written = write(&beside, content);
        written.map_err(|source| UpdateError::Place { path: program.to_owned(), source })?;
        Ok(Self { release, program: program.to_owned(), beside })
    }

    /// Tries the new program with the arguments that this one was started with, and puts it in its
    /// place. No agent may run with the data directory meanwhile.
    ///
    /// # Errors
    /// [`UpdateError`] when the new one did not do well; then everything is as it was.
    pub(crate) async fn put(
        &self,
        config: &Config,
        args: &[OsString],
        linked: bool,
    ) -> Result<(), UpdateError> {
        let (data, most) = (&config.data, source::rehearsal_max(&config.updates));
        let place = |source| UpdateError::Place { path: self.program.clone(), source };
        let version = self.release.version;
        probation::remember(data).map_err(place)?;
        if let Err(why) = rehearsal::passed(&self.beside, version, args, linked, most).await {
            probation::refuse(data, self.release.sha256);
            probation::recall(data);
            // What is left over is replaced by the next one.
            drop(fs::remove_file(&self.beside));
            return Err(UpdateError::Rehearsal { version: self.version(), why });
        }
        let previous = with(&self.program, "previous");
        let content = fs::read(&self.program).map_err(place)?;
        write(&previous, &content).map_err(place)?;
        probation::start(data, &self.program, &previous, self.release.sha256).map_err(place)?;
        os::put_in_place(&self.beside, &self.program).map_err(place)?;
        tracing::info!("version {} is in place", self.version());
        Ok(())
    }
}

/// Makes this process the program that is in place now; it returns only when that fails.
#[must_use]
pub(crate) fn become_new(program: &Path, args: &[OsString]) -> io::Error {
    os::become_program(program, args)
}

/// Whether updates are put in place by themselves.
#[must_use]
pub(crate) fn is_automatic(data: &Path) -> bool {
    switch(data).exists()
}

/// Turns that on or off. It is a file of its own, so that the command and the page of an agent that
/// runs do not overwrite each other.
///
/// # Errors
/// When the file cannot be written or removed.
pub(crate) fn set_automatic(data: &Path, on: bool) -> io::Result<()> {
    if on {
        disk::make_private_dir(&folder(data))?;
        return disk::write(&switch(data), b"on\n");
    }
    match fs::remove_file(switch(data)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The version that the place of updates offers, if it is newer than this one.
///
/// # Errors
/// [`UpdateError`] when nobody can be asked, or the answer is not signed.
pub(crate) async fn look(source: &Source) -> Result<Option<String>, UpdateError> {
    Ok(source.release().await?.map(|release| release.version.to_string()))
}

/// Downloads the newer program, if there is one.
///
/// # Errors
/// [`UpdateError`] when it cannot be had, or is not the one that was signed.
pub(crate) async fn fetch(source: &Source, config: &Config) -> Result<Option<Fresh>, UpdateError> {
    let Some(release) = source.release().await? else { return Ok(None) };
    let content = source.program(&release).await?;
    let program = config.worker.clone();
    let kept = spawn_blocking(move || Fresh::keep(release, &content, &program)).await;
    kept.unwrap_or_else(|error| Err(UpdateError::Call(error.to_string()))).map(Some)
}

/// What an update may have left beside a program.
pub(crate) fn leftovers(program: &Path) -> [PathBuf; 2] {
    [with(program, "new"), with(program, "previous")]
}

fn folder(data: &Path) -> PathBuf {
    data.join("update")
}

fn switch(data: &Path) -> PathBuf {
    folder(data).join("automatic")
}

/// The same path with something after it.
fn with(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{more}"));
    PathBuf::from(name)
}

/// Writes a program where none, or an older try, is.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = os::new_program(path)?;
    file.write_all(content)?;
    file.sync_all()
}
