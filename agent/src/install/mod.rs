//! Makes the agent a program that stays on a machine and starts with its user, and takes all of it
//! away again. It needs no rights beyond the user's own, and changes nothing outside the user's
//! folders.

pub(crate) mod autostart;
mod command;
mod plan;
mod record;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use plan::Places;
use plan::System;
use record::{Record, remove};

use crate::identity::{Identity, IdentityError};
use crate::runner::{self, StartError};
use crate::update;

/// Folders that an agent fills.
const FOLDERS: [&str; 3] = ["blobs", "code", "update"];
/// What else an agent that runs again makes anew.
const CACHES: [&str; 3] = ["page.url", "programs.json", "speed.json"];
/// What makes the machine what it is to its server and its owner.
const KEPT: [&str; 7] = [
    "identity.json",
    "signing.json",
    "settings.json",
    "state.json",
    "worked.json",
    "lock",
    "installed.json",
];

/// Why nothing was installed, or not everything taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// The service would end at once.
    #[error("this machine is not enrolled anywhere yet: name the server with --server")]
    NoServer,
    /// The identity file cannot be used.
    #[error("the identity cannot be used")]
    Identity(#[from] IdentityError),
    /// An agent uses the data directory.
    #[error("an agent runs with this data directory: end it on its page, and try again")]
    Running,
    /// Nothing in the directory says that an agent used it.
    #[error("{0} is not an agent's data directory, so nothing was removed: name it with --data")]
    NotOurs(PathBuf),
    /// A file could not be written or removed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What `install` did.
#[derive(Debug)]
pub(crate) struct Installed {
    /// The program that will be started.
    pub(crate) program: PathBuf,
    /// The definition of the service.
    pub(crate) service: PathBuf,
    /// Whether it was to be started now, and was.
    pub(crate) started: Option<bool>,
}

/// What `uninstall` left.
#[derive(Debug)]
pub(crate) struct Left {
    /// The data directory, if it is still there.
    pub(crate) data: Option<PathBuf>,
    /// A program that was there before `install`.
    pub(crate) program: Option<PathBuf>,
}

/// Puts the program where it stays, unless it lies in a folder of programs already, and lets it
/// start with its user; `now` starts it at once.
///
/// # Errors
/// [`InstallError`] says what is missing or in the way.
pub(crate) fn install(mut places: Places, now: bool) -> Result<Installed, InstallError> {
    if Identity::load(&places.data)?.is_none() && places.server.is_none() {
        return Err(InstallError::NoServer);
    }
    let mut record = Record::load(&places.data);
    let from = places.program.clone();
    if !is_in_its_place(&from) {
        places.program = System::here().program(&places.home);
        let at = |source| InstallError::File { path: places.program.clone(), source };
        record.copy_program(&from, &places.program).map_err(at)?;
    }
    let service = System::here().service(&places);
    let kept = record.save(&places.data);
    kept.map_err(|source| InstallError::File { path: places.data.clone(), source })?;
    let on = autostart::set(&places, true);
    on.map_err(|source| InstallError::File { path: service.file.clone(), source })?;
    // Whoever waits for the page must not find the one before.
    let page = places.data.join("page.url");
    if now {
        remove(&page).map_err(|source| InstallError::File { path: page, source })?;
    }
    let started = now.then(|| command::all(&service.start));
    Ok(Installed { program: places.program, service: service.file, started })
}

/// Ends the service and takes away what was installed, and with `purge` also who the machine is,
/// its limits and everything else in the data directory.
///
/// # Errors
/// [`InstallError`] when an agent runs that the system did not start, or a file resists.
pub(crate) fn uninstall(places: &Places, purge: bool) -> Result<Left, InstallError> {
    if !is_ours(&places.data) {
        return Err(InstallError::NotOurs(places.data.clone()));
    }
    let service = System::here().service(places);
    command::all(&service.stop);
    if is_running(&places.data) {
        return Err(InstallError::Running);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::File { path, source }
    };
    autostart::set(places, false).map_err(failed(&service.file))?;
    let record = Record::load(&places.data);
    remove(&service.file).map_err(failed(&service.file))?;
    let program = System::here().program(&places.home);
    if record.has(&program) {
        update::leftovers(&program).iter().try_for_each(|p| remove(p)).map_err(failed(&program))?;
    }
    record.remove_files().map_err(failed(&places.data))?;
    command::all(&service.off);
    FOLDERS.iter().try_for_each(|f| empty(&places.data.join(f))).map_err(failed(&places.data))?;
    clear(&places.data, &CACHES).map_err(failed(&places.data))?;
    if purge {
        clear(&places.data, &KEPT).map_err(failed(&places.data))?;
        // What is left is not the agent's.
        drop(fs::remove_dir(&places.data));
    }
    record.remove_folders();
    let data = places.data.exists().then(|| places.data.clone());
    let program = places.program.exists().then(|| places.program.clone());
    Ok(Left { data, program })
}

/// Whether an agent uses this data directory.
pub(crate) fn is_running(data: &Path) -> bool {
    data.join("lock").exists() && matches!(runner::lock(data), Err(StartError::Taken))
}

/// Folders of programs are called so on every system; a package's folder is not.
fn is_in_its_place(program: &Path) -> bool {
    program.parent().and_then(Path::file_name).is_some_and(|name| name == "bin")
}

/// Whether an agent used this directory, or nobody did.
fn is_ours(data: &Path) -> bool {
    let is_unused = fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
    is_unused || ["installed.json", "identity.json", "lock"].iter().any(|f| data.join(f).exists())
}

/// Removes these from the data directory, and what a write that was cut short left of them.
fn clear(data: &Path, names: &[&str]) -> io::Result<()> {
    names.iter().try_for_each(|name| remove(&data.join(name)))?;
    let Ok(entries) = fs::read_dir(data) else { return Ok(()) };
    let is_half = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".part") && names.iter().any(|own| name.starts_with(own_stem(own)))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_half).try_for_each(|path| remove(&path))
}

/// The name without its ending: a file that is being written has another one.
fn own_stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Removes what an agent put into one of its folders, and the folder when nothing else is in it.
fn empty(folder: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            empty(&path)?;
        } else if is_own(&path) {
            remove(&path)?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}

/// Whether an agent gives a file in its folders such a name: the digest of what is in it, or one of
/// those that updates need.
fn is_own(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = own_stem(&name);
    let is_digest = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest || update::FILES.contains(&stem) || name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_programs_is_a_place_to_stay() {
        for stays in ["/usr/bin/medusa-agent", "/home/a/.cargo/bin/medusa-agent"] {
            assert!(is_in_its_place(Path::new(stays)), "{stays}");
        }
        assert!(!is_in_its_place(Path::new("/home/a/medusa-agent-0.1.0/medusa-agent")));
        assert!(!is_in_its_place(Path::new("medusa-agent")));
    }
}
