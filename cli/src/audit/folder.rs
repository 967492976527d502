//! The folder of an export: which files it has, how they are read and written.
//!
//! `checkpoint`, `tile/…` and `tile/entries/…` stand as C2SP's tlog-tiles lays a log out; beside
//! them stand `log.vkey`, the log's public key; `checkpoints.jsonl`, what was signed before, one
//! note a line; and `balances.json`, what the server claims of its books. A file appears whole or
//! not at all; while `export.part` is there, an export was not finished.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medusa_ledger::{AccountState, Amount};
use medusa_tlog::{BundleId, TILE_WIDTH, bundles_of, tiles_of};
use serde::{Deserialize, Serialize};

pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const EARLIER: &str = "checkpoints.jsonl";
pub(super) const KEY: &str = "log.vkey";
pub(super) const BALANCES: &str = "balances.json";
/// Everything but tiles and bundles.
const BESIDE_TILES: [&str; 4] = [CHECKPOINT, EARLIER, KEY, BALANCES];
const UNFINISHED: &str = "export.part";

/// The longest bundle: 256 entries, each behind its length.
pub(super) const BUNDLE_BYTES_MAX: u64 = 256 * (65_535 + 2);
/// The longest tile.
pub(super) const TILE_BYTES_MAX: u64 = 256 * 32;
/// The longest of the other files.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What the server claims of its books. Amounts are whole micro-credits or cents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Balances {
    /// The position of the trial balance.
    pub(super) position: i64,
    /// The trial balance: each class of accounts that was used.
    pub(super) classes: Vec<ClassClaim>,
    /// Every account that was ever used.
    pub(super) accounts: Vec<AccountClaim>,
}

/// A line of the trial balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassClaim {
    pub(super) class: String,
    pub(super) balance: Amount,
}

/// An account as of a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountClaim {
    pub(super) account: String,
    pub(super) as_of: i64,
    pub(super) balance: Amount,
    pub(super) debits_pending: Amount,
    pub(super) credits_pending: Amount,
    pub(super) state: AccountState,
}

/// A folder that an export is in, or will be.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    /// Where a file of it is; names have slashes.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        name.split('/').fold(self.0.clone(), |path, part| path.join(part))
    }

    /// The bytes of a file that has at most so many.
    pub(super) fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(name))?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|len| len <= max) {
            return Ok(bytes);
        }
        Err(io::Error::other(format!("it has more than {max} bytes")))
    }

    /// The text of a file.
    pub(super) fn read_text(&self, name: &str, max: u64) -> io::Result<String> {
        String::from_utf8(self.read(name, max)?).map_err(|_| io::Error::other("it is not text"))
    }

    /// Whether a file is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    /// Whether an export into it broke off.
    pub(super) fn is_unfinished(&self) -> bool {
        self.path(UNFINISHED).exists()
    }

    /// Marks the folder as unfinished, and makes it where there is none.
    pub(super) fn begin(&self) -> anyhow::Result<()> {
        let part = self.path(UNFINISHED);
        fs::create_dir_all(&part).with_context(|| format!("could not write {}", part.display()))
    }

    /// Writes a file between [`Folder::begin`] and [`Folder::finish`].
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, part) = (self.path(name), self.path(UNFINISHED).join(name.replace('/', "-")));
        let write = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().with_context(|| format!("could not write {}", path.display()))
    }

    /// Removes tiles that this size has no more, and the mark.
    pub(super) fn finish(&self, size: u64) -> anyhow::Result<()> {
        let remove = || -> io::Result<()> {
            let of_tiles = |name: &String| name.starts_with("tile/");
            for name in self.strangers(size)?.into_iter().filter(of_tiles) {
                let path = self.path(&name);
                fs::remove_file(&path)?;
                // A folder that still has other tiles stays.
                path.parent().map(fs::remove_dir);
            }
            fs::remove_dir_all(self.path(UNFINISHED))
        };
        remove().with_context(|| format!("could not tidy up {}", self.0.display()))
    }

    /// Files that an export of a log of this size does not have, by name: hidden ones and links
    /// among them.
    pub(super) fn strangers(&self, size: u64) -> io::Result<Vec<String>> {
        let expected: BTreeSet<String> = names_of(size).collect();
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.path(&folder))? {
                let entry = entry?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    if name != UNFINISHED {
                        folders.push(name + "/");
                    }
                } else if !expected.contains(&name) && !BESIDE_TILES.contains(&name.as_str()) {
                    found.push(name);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The widest bundle that stands where this one should, when that one is missing.
    pub(super) fn in_place_of(&self, id: BundleId) -> Option<BundleId> {
        let whole = BundleId::new(id.index(), TILE_WIDTH).ok()?;
        let partial = fs::read_dir(self.path(&format!("{whole}.p"))).ok().into_iter().flatten();
        let widths = partial.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let ids = widths.filter_map(|width| BundleId::new(id.index(), width).ok());
        let there = ids.chain([whole]).filter(|id| self.has(&id.to_string()));
        there.max_by_key(|id| id.width())
    }
}

/// The names of all tiles and bundles of a log of this size.
pub(super) fn names_of(size: u64) -> impl Iterator<Item = String> {
    let tiles = tiles_of(size).map(|id| id.to_string());
    tiles.chain(bundles_of(size).map(|id| id.to_string()))
}
