//! Blobs on disk, each whole under its SHA-256, and what has come so far of large ones. Together
//! they stay within a number of bytes that can change; what was not used for longest goes first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use medusa_types::Sha256Hash;

use crate::disk;

/// What has come of a blob that nobody asked for again.
const PART_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The folder of blobs.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    bytes_max: AtomicU64,
}

impl Shelf {
    /// Blobs in this folder, at most so many bytes of them.
    pub(crate) fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        disk::make_private_dir(&dir)?;
        let shelf = Self { dir, bytes_max: AtomicU64::new(bytes_max) };
        shelf.make_room(0);
        Ok(shelf)
    }

    /// Sets the number of bytes; says whether it is another one now.
    pub(crate) fn limit(&self, bytes_max: u64) -> bool {
        self.bytes_max.swap(bytes_max, Ordering::Relaxed) != bytes_max
    }

    /// How many bytes there may be.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// Where what has come so far of a blob is.
    pub(crate) fn part(&self, sha256: Sha256Hash) -> PathBuf {
        self.dir.join(format!("{sha256}.part"))
    }

    /// A kept blob. One that decayed on disk is removed.
    pub(crate) fn read(&self, sha256: Sha256Hash) -> Option<Vec<u8>> {
        let path = self.path(sha256);
        let content = disk::read(&path).ok().flatten()?;
        if Sha256Hash::of(&content) == sha256 {
            disk::touch(&path);
            return Some(content);
        }
        tracing::warn!(%sha256, "a kept blob has decayed, it is loaded again");
        drop(fs::remove_file(path));
        None
    }

    /// Notes that a blob is in use.
    pub(crate) fn touch(&self, sha256: Sha256Hash) {
        disk::touch(&self.path(sha256));
    }

    /// Keeps a blob and makes room. A full disk only costs another download.
    pub(crate) fn keep(&self, sha256: Sha256Hash, content: &[u8]) {
        if let Err(error) = disk::write(&self.path(sha256), content) {
            tracing::warn!(%sha256, %error, "a blob could not be kept on disk");
        }
        self.make_room(0);
    }

    /// What has come of a blob, if it is all of it. What is not is removed, and its hash told.
    pub(crate) fn complete(&self, sha256: Sha256Hash) -> io::Result<Result<Vec<u8>, Sha256Hash>> {
        let part = self.part(sha256);
        let content = fs::read(&part)?;
        let got = Sha256Hash::of(&content);
        if got != sha256 {
            fs::remove_file(part)?;
            return Ok(Err(got));
        }
        fs::rename(part, self.path(sha256))?;
        self.make_room(0);
        Ok(Ok(content))
    }

    /// Removes what was not used for longest until the rest fits, with so many bytes to come.
    pub(crate) fn make_room(&self, to_come: u64) {
        let bytes_max = self.bytes_max().saturating_sub(to_come);
        if let Err(error) = self.remove_down_to(bytes_max) {
            tracing::warn!(%error, "kept blobs could not be removed");
        }
    }

    fn remove_down_to(&self, bytes_max: u64) -> io::Result<()> {
        let (mut files, mut bytes) = (Vec::new(), 0_u64);
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let (meta, path) = (entry.metadata()?, entry.path());
            if is_part(&path) && is_old(meta.modified()?) {
                fs::remove_file(path)?;
                continue;
            }
            bytes = bytes.saturating_add(meta.len());
            files.push((is_part(&path), meta.modified()?, meta.len(), path));
        }
        // What is on its way was paid for with waiting: it goes last.
        files.sort();
        for (.., len, path) in files {
            if bytes <= bytes_max {
                break;
            }
            fs::remove_file(path)?;
            bytes = bytes.saturating_sub(len);
        }
        Ok(())
    }

    fn path(&self, sha256: Sha256Hash) -> PathBuf {
        self.dir.join(sha256.to_string())
    }
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "part")
}

fn is_old(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age > PART_AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn hash(n: u8) -> Sha256Hash {
        Sha256Hash::of(&[n; 40])
    }

    fn is_kept(shelf: &Shelf, n: u8) -> bool {
        shelf.path(hash(n)).exists()
    }

    fn age(path: &Path, age_s: u64) {
        let at = fs::metadata(path).unwrap().modified().unwrap() - Duration::from_secs(age_s);
        fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let scratch = Scratch::new();
        let shelf = Shelf::open(scratch.path().to_owned(), 1_000).unwrap();
        for n in 1..=3 {
            shelf.keep(hash(n), &[n; 40]);
            age(&shelf.path(hash(n)), 100 - u64::from(n));
        }
        assert!(shelf.read(hash(1)).is_some(), "the oldest is used again");
        age(&shelf.path(hash(1)), 10);
        assert!(shelf.limit(100) && !shelf.limit(100));
        shelf.keep(hash(4), &[4; 40]);
        assert_eq!([1, 2, 3, 4].map(|n| is_kept(&shelf, n)), [true, false, false, true]);
        shelf.make_room(50);
        assert_eq!([1, 4].map(|n| is_kept(&shelf, n)), [false, true]);
    }

    #[test]
    fn a_lower_limit_holds_from_the_next_look_on() {
        let scratch = Scratch::new();
        let shelf = Shelf::open(scratch.path().to_owned(), 1_000).unwrap();
        shelf.keep(hash(1), &[1; 40]);
        fs::write(shelf.part(hash(2)), [2; 40]).unwrap();
        shelf.limit(50);
        shelf.make_room(0);
        assert!(!is_kept(&shelf, 1) && shelf.part(hash(2)).exists(), "what is on its way stays");
        shelf.limit(10);
        shelf.make_room(0);
        assert!(!shelf.part(hash(2)).exists());
    }

    #[test]
    fn a_decayed_blob_is_not_used() {
        let scratch = Scratch::new();
        let shelf = Shelf::open(scratch.path().to_owned(), 1_000).unwrap();
        fs::write(shelf.path(hash(1)), "hellp").unwrap();
        assert_eq!(shelf.read(hash(1)), None);
        assert!(!is_kept(&shelf, 1));
    }

    #[test]
    fn a_part_is_whole_or_nothing_and_is_forgotten_after_a_week() {
        let scratch = Scratch::new();
        let shelf = Shelf::open(scratch.path().to_owned(), 1_000).unwrap();
        fs::write(shelf.part(hash(1)), [1; 40]).unwrap();
        assert_eq!(shelf.complete(hash(1)).unwrap(), Ok(vec![1; 40]));
        assert!(is_kept(&shelf, 1) && !shelf.part(hash(1)).exists());
        fs::write(shelf.part(hash(2)), "x").unwrap();
        assert_eq!(shelf.complete(hash(2)).unwrap(), Err(Sha256Hash::of(b"x")));
        assert!(!shelf.part(hash(2)).exists());
        fs::write(shelf.part(hash(3)), "x").unwrap();
        age(&shelf.part(hash(3)), 8 * 24 * 3_600);
        shelf.make_room(0);
        assert!(!shelf.part(hash(3)).exists());
    }
}
