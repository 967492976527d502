//! What `install` made, so that `uninstall` takes away that and nothing else:
//! `<data>/installed.json`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::os;
use crate::{chance, disk};

/// Files and folders, in the order in which they were made.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Record {
    /// The record of this data directory. A damaged one is like none: then only what has a known
    /// place is found again.
    pub(crate) fn load(data: &Path) -> Self {
        let content = disk::read(&file(data)).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&content).unwrap_or_default()
    }

    /// Makes the data directory, and writes the record into it.
    pub(crate) fn save(&mut self, data: &Path) -> io::Result<()> {
        self.note_missing(data);
        disk::make_private_dir(data)?;
        disk::write(&file(data), &serde_json::to_vec_pretty(self)?)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.note_file(path)?;
        disk::write(path, content)
    }

    /// Copies a program to where it stays.
    pub(crate) fn copy_program(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.note_file(to)?;
        let beside = to.with_extension(format!("{}.part", chance::secret()));
        let copied = copy(from, &beside).and_then(|()| os::put_in_place(&beside, to));
        if copied.is_err() {
            // The first error is the one to tell.
            drop(fs::remove_file(&beside));
        }
        copied
    }

    /// Makes a link, if it is not there.
    pub(crate) fn link(&mut self, to: &Path, at: &Path) -> io::Result<()> {
        self.note_file(at)?;
        match os::link(to, at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            done => done,
        }
    }

    /// Takes away the files that were made.
    pub(crate) fn remove_files(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|path| remove(path))
    }

    /// Takes away the folders that were made, unless somebody else uses them by now.
    pub(crate) fn remove_folders(&self) {
        for folder in self.folders.iter().rev() {
            // It is gone already, or not empty.
            drop(fs::remove_dir(folder));
        }
    }

    /// Whether this file was made.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|made| made == path)
    }

    fn note_file(&mut self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.note_missing(folder);
            fs::create_dir_all(folder)?;
        }
        if !self.has(path) {
            self.files.push(path.to_owned());
        }
        Ok(())
    }

    fn note_missing(&mut self, folder: &Path) {
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        missing.reverse();
        self.folders.extend(missing);
    }
}

/// The record's own file.
pub(crate) fn file(data: &Path) -> PathBuf {
    data.join("installed.json")
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut program = os::new_program(to)?;
    io::copy(&mut fs::File::open(from)?, &mut program)?;
    program.flush()?;
    program.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_what_was_made_is_taken_away() {
        let scratch = Scratch::new();
        let (theirs, ours) = (scratch.path().join("theirs"), scratch.path().join("a/b"));
        fs::create_dir(&theirs).unwrap();
        let mut record = Record::default();
        record.write(&theirs.join("unit"), b"1").unwrap();
        record.write(&ours.join("c/unit"), b"2").unwrap();
        record.write(&ours.join("c/unit"), b"3").unwrap();
        fs::write(ours.join("somebody's"), "").unwrap();
        let data = scratch.path().join("data");
        record.save(&data).unwrap();
        let record = Record::load(&data);
        assert_eq!(record.files.len(), 2, "{record:?}");
        record.remove_files().unwrap();
        remove(&file(&data)).unwrap();
        record.remove_folders();
        assert!(theirs.is_dir() && !theirs.join("unit").exists());
        assert!(ours.join("somebody's").exists() && !ours.join("c").exists() && !data.exists());
    }

    #[test]
    fn a_damaged_record_is_like_none() {
        let scratch = Scratch::new();
        fs::write(file(scratch.path()), "{").unwrap();
        assert_eq!(Record::load(scratch.path()), Record::default());
    }
}
