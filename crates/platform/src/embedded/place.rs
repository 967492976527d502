//! Where the servers keep their files and who runs them.
//!
//! The directories are private: mode 0700, owned by the account that runs the servers. Where the
//! wished place cannot be (a parent that the account may not enter, a socket path that is too
//! long), a hashed directory elsewhere stands in; whoever could have put it there first is found
//! out by its owner.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use medusa_types::Sha256Hash;
use nix::unistd::{Gid, Uid, User, chown};

use super::error::{EmbeddedError, on};

/// Longest path of a socket that every system takes (`sun_path` is 104 bytes on some).
const SOCKET_BYTES_MAX: usize = 100;
/// Longest file name that a server puts into its socket directory.
const SOCKET_NAME_BYTES_MAX: usize = 24;

/// Who runs a server: we ourselves, or as root somebody with fewer rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account(Option<(Uid, Gid)>);

impl Account {
    /// The account for servers over this directory: its owner if it is there already, so that
    /// root and a plain user can take turns.
    pub(super) fn of(dir: &Path) -> Result<Self, EmbeddedError> {
        if !Uid::effective().is_root() {
            return Ok(Self(None));
        }
        let owner = fs::metadata(dir).map_or(0, |m| m.uid());
        let named = |name| User::from_name(name).ok().flatten();
        let known = if owner == 0 { None } else { User::from_uid(Uid::from_raw(owner)).ok() };
        let user = known.flatten().or_else(|| named("postgres")).or_else(|| named("nobody"));
        let user = user.ok_or(EmbeddedError::NoAccount)?;
        Ok(Self(Some((user.uid, user.gid))))
    }

    /// Lets the command run under this account, in a process group of its own: Ctrl-C reaches
    /// only whoever supervises it.
    pub(super) fn apply(self, command: &mut Command) {
        command.process_group(0).current_dir("/");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    /// Makes a private directory of this account, or checks that an existing one is that.
    pub(super) fn private_dir(self, path: &Path) -> Result<(), EmbeddedError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(on("make", parent))?;
        }
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.give(path)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(on("make", path)(e)),
        }
        let found = fs::symlink_metadata(path).map_err(on("look at", path))?;
        let owner = self.0.map_or_else(Uid::effective, |(uid, _)| uid).as_raw();
        let private = found.mode() & 0o077 == 0;
        if !found.is_dir() || found.uid() != owner || !private {
            return Err(EmbeddedError::NotPrivate { path: path.to_owned() });
        }
        Ok(())
    }

    /// Hands a file or directory to this account.
    pub(super) fn give(self, path: &Path) -> Result<(), EmbeddedError> {
        let Some((uid, gid)) = self.0 else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(on("hand over", path))
    }

    /// Whether this account may enter every existing directory above the path.
    fn reaches(self, path: &Path) -> bool {
        let Some((uid, gid)) = self.0 else { return true };
        path.ancestors().skip(1).filter_map(|dir| fs::metadata(dir).ok()).all(|dir| {
            let mode = dir.permissions().mode();
            let allowed = if dir.uid() == uid.as_raw() {
                0o100
            } else if dir.gid() == gid.as_raw() {
                0o010
            } else {
                0o001
            };
            mode & allowed != 0
        })
    }
}

/// The directory for data: the wished one, or one under `/var/tmp` with a pointer to it beside the
/// wished one.
pub(super) fn data(wished: &Path, account: Account) -> Result<PathBuf, EmbeddedError> {
    let wished = std::path::absolute(wished).map_err(on("find", wished))?;
    if account.reaches(&wished) {
        account.private_dir(&wished)?;
        return Ok(wished);
    }
    let moved = moved(&wished);
    account.private_dir(&moved)?;
    let pointer = wished.with_extension("moved-to");
    if let Some(parent) = pointer.parent() {
        fs::create_dir_all(parent).map_err(on("make", parent))?;
    }
    fs::write(&pointer, moved.as_os_str().as_bytes()).map_err(on("write", &pointer))?;
    Ok(moved)
}

/// The directory that [`data`] chose earlier, or the wished one.
pub(super) fn existing_data(wished: &Path) -> Result<PathBuf, EmbeddedError> {
    let wished = std::path::absolute(wished).map_err(on("find", wished))?;
    let moved = moved(&wished);
    Ok(if moved.exists() { moved } else { wished })
}

/// Removes a directory for data, wherever it is.
pub(super) fn erase(wished: &Path) -> Result<(), EmbeddedError> {
    let wished = std::path::absolute(wished).map_err(on("find", wished))?;
    for dir in [moved(&wished), wished] {
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(on("remove", &dir)(e)),
            _ => {}
        }
    }
    Ok(())
}

fn moved(wished: &Path) -> PathBuf {
    Path::new("/var/tmp").join(format!("medusa-{}", short_hash(wished)))
}

/// The directory for sockets: the wished one, or one under `/tmp` where the path would be too long
/// or cannot be entered.
pub(super) fn sockets(wished: &Path, account: Account) -> Result<PathBuf, EmbeddedError> {
    let wished = std::path::absolute(wished).map_err(on("find", wished))?;
    let bytes = wished.as_os_str().len().saturating_add(SOCKET_NAME_BYTES_MAX);
    let place = if bytes <= SOCKET_BYTES_MAX && account.reaches(&wished) {
        wished
    } else {
        let owner = account.0.map_or_else(Uid::effective, |(uid, _)| uid);
        Path::new("/tmp").join(format!("medusa-{owner}-{}", short_hash(&wished)))
    };
    account.private_dir(&place)?;
    Ok(place)
}

/// Sixteen hexadecimal digits that stand for a path.
fn short_hash(path: &Path) -> String {
    Sha256Hash::of(path.as_os_str().as_bytes()).to_string().chars().take(16).collect()
}

/// The path with everything escaped that means something in a URL.
pub(super) fn url_escaped(path: &Path) -> String {
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
