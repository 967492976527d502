//! Finds the servers' programs. Only directories with a complete set count: `initdb` beside
//! `postgres`. A program named by the environment (`MEDUSA_PG_BIN`, a directory, and
//! `MEDUSA_REDIS_BIN`, a file) comes first.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;

/// The oldest PostgreSQL that has what we use (`create database … strategy`).
const POSTGRES_LEAST: u32 = 15;
/// The oldest Redis that has what we use (functions, sharded channels).
const REDIS_LEAST: u32 = 7;

/// The directory of PostgreSQL's programs: the newest version, or the one that wrote existing
/// data.
pub(super) fn postgres(wished: Option<&Path>, data: &Path) -> Result<PathBuf, EmbeddedError> {
    let written_by = fs::read_to_string(data.join("PG_VERSION"));
    let written_by: Option<u32> = written_by.ok().and_then(|text| text.trim().parse().ok());
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for dir in postgres_dirs(wished) {
        if !dir.join("initdb").is_file() {
            continue;
        }
        let Some(major) = version(&dir.join("postgres"), "(PostgreSQL) ") else { continue };
        if major >= POSTGRES_LEAST && written_by.is_none_or(|wanted| wanted == major) {
            if wished.is_some() || env::var_os("MEDUSA_PG_BIN").is_some() {
                return Ok(dir);
            }
            found.push((major, dir));
        }
    }
    // The first of the newest: the order of the list is the order of preference.
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    if let Some((_, dir)) = found.into_iter().next() {
        return Ok(dir);
    }
    Err(match written_by {
        Some(major) => EmbeddedError::OtherMajor { path: data.to_owned(), major },
        None => EmbeddedError::Missing {
            what: "PostgreSQL 15 or newer",
            hint: "install it (Debian: `apt-get install postgresql`, macOS: `brew install \
                   postgresql`) or name its directory of programs in MEDUSA_PG_BIN",
        },
    })
}

/// The Redis server's program; Valkey is as good.
pub(super) fn redis() -> Result<PathBuf, EmbeddedError> {
    let named = env::var_os("MEDUSA_REDIS_BIN").map(PathBuf::from);
    let in_dirs = path_dirs().into_iter().chain(["/opt/homebrew/bin".into()]);
    let known = in_dirs.flat_map(|dir| [dir.join("valkey-server"), dir.join("redis-server")]);
    named
        .into_iter()
        .chain(known)
        .find(|program| version(program, "v=").is_some_and(|major| major >= REDIS_LEAST))
        .ok_or(EmbeddedError::Missing {
            what: "Redis 7 or newer",
            hint: "install it (Debian: `apt-get install redis-server`, macOS: `brew install \
                   redis`) or name its program in MEDUSA_REDIS_BIN",
        })
}

fn postgres_dirs(wished: Option<&Path>) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = wished.map(Path::to_owned).into_iter().collect();
    dirs.extend(env::var_os("MEDUSA_PG_BIN").map(PathBuf::from));
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        dirs.extend(entries.map(|entry| entry.path().join("bin")));
    }
    dirs.extend(path_dirs());
    dirs
}

fn path_dirs() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

/// The major version that a program reports after these words.
fn version(program: &Path, after: &str) -> Option<u32> {
    if !program.is_file() {
        return None;
    }
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once(after)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
