//! What a witness must not forget: the last checkpoint that it signed of each log, one file each.
//!
//! A file is the checkpoint with the witness's own cosignature, so that a damaged or foreign one is
//! noticed. It takes the place of the one before in one step, and is on the disk before the
//! cosignature is given away.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use medusa_tlog::{CosignerKey, Note, TreeHead};
use medusa_types::Sha256Hash;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The folder of a witness. Only one process has it at a time.
pub(crate) struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// When it cannot be made, or another witness uses it.
    pub(crate) fn open(data: &Path) -> Result<Self> {
        let folder = data.join("logs");
        let context = || format!("could not use the folder {}", data.display());
        for part in [&folder, &data.join("keys")] {
            fs::create_dir_all(part).with_context(context)?;
        }
        let lock = File::create(data.join("lock")).with_context(context)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("another witness uses the folder {}; end it first", data.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(context),
        }
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.folder.join(format!("{}.note", Sha256Hash::of(origin.as_bytes())))
    }

    /// The last head of this log that was signed with this key; none before the first.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub(crate) fn load(&self, origin: &str, key: &CosignerKey) -> Result<Option<TreeHead>> {
        let path = self.path(origin);
        let context = || {
            format!(
                "what this witness signed last of {origin} cannot be read from {}; restore the file from a newer backup, or give the witness up and make another one with another key",
                path.display()
            )
        };
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(context),
            Ok(file) if file.len() > FILE_BYTES_MAX => bail!(context()),
            Ok(_) => {}
        }
        let note = fs::read_to_string(&path).with_context(context)?;
        let note = Note::parse(&note).with_context(context)?;
        let signed = note.cosigned_by(std::slice::from_ref(key)).with_context(context)?;
        let checkpoint = note.checkpoint().with_context(context)?;
        if signed.is_empty() || checkpoint.origin != origin {
            bail!(context());
        }
        Ok(Some(checkpoint.head()))
    }

    /// Puts a cosigned checkpoint in the place of the one before, and returns when the disk has it.
    ///
    /// # Errors
    /// When it could not be written; then the one before is still there, or this one.
    pub(crate) fn keep(&self, origin: &str, cosigned: &Note) -> std::io::Result<()> {
        let path = self.path(origin);
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(cosigned.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        // The new name is safe only when its folder is.
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use medusa_tlog::{Cosigner, Signer, UnixSeconds};

    use super::*;

    const ORIGIN: &str = "medusa.test/log";

    fn cosigned(by: &Cosigner, origin: &str, size: u64) -> Note {
        let note = Note::parse(&Signer::new(origin, &[7; 32]).sign(size, [9; 32])).unwrap();
        let line = by.cosign(&note, UnixSeconds::new(5).unwrap()).unwrap();
        Note::new(note.text(), line).unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("medusa-store-{}-{name}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        path
    }

    #[test]
    fn what_was_kept_is_there_again() {
        let (data, by) = (folder("kept"), Cosigner::new("witness.test/w1", &[1; 32]));
        let store = Store::open(&data).unwrap();
        assert_eq!(store.load(ORIGIN, &by.key()).unwrap(), None);
        for size in [3, 9] {
            store.keep(ORIGIN, &cosigned(&by, ORIGIN, size)).unwrap();
        }
        store.keep("other.test/log", &cosigned(&by, "other.test/log", 4)).unwrap();
        assert!(Store::open(&data).is_err(), "one process has it at a time");
        drop(store);
        let store = Store::open(&data).unwrap();
        let size = |origin| store.load(origin, &by.key()).unwrap().unwrap().size;
        assert_eq!((size(ORIGIN), size("other.test/log")), (9, 4));
        fs::remove_dir_all(data).unwrap();
    }

    #[test]
    fn what_was_not_kept_so_is_refused() {
        let (data, by) = (folder("refused"), Cosigner::new("witness.test/w1", &[1; 32]));
        let store = Store::open(&data).unwrap();
        let good = cosigned(&by, ORIGIN, 9);
        let stranger = Cosigner::new("witness.test/w2", &[2; 32]);
        let wrong = [
            good.to_string().replace("\n9\n", "\n8\n"),
            cosigned(&stranger, ORIGIN, 9).to_string(),
            cosigned(&by, "other.test/log", 9).to_string(),
            good.to_string().chars().take(90).collect(),
            String::new(),
        ];
        for text in wrong {
            fs::write(store.path(ORIGIN), &text).unwrap();
            let error = store.load(ORIGIN, &by.key()).unwrap_err();
            assert!(format!("{error:#}").contains("backup"), "{text:?}: {error:#}");
        }
        store.keep(ORIGIN, &good).unwrap();
        assert!(store.load(ORIGIN, &by.key()).unwrap().is_some());
        fs::remove_dir_all(data).unwrap();
    }
}
