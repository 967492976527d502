//! Files of the data directory: readable by the owner alone, and whole or not there at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::chance;
pub(crate) use crate::os::make_private_dir;
use crate::os::new_private_file;

/// Replaces a file by writing a new one beside it; a reader sees the old content or the new.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.part", chance::secret()));
    let written = write_new(&beside, content).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to tell; a left-over part is harmless.
        drop(fs::remove_file(&beside));
    }
    written
}

/// The content of a file, or nothing when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that is written on at its end; it is made if it is not there.
pub(crate) fn append(path: &Path) -> io::Result<fs::File> {
    match new_private_file(path) {
        Ok(_made) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    fs::File::options().append(true).open(path)
}

/// Notes in the file itself that it was used now. That it fails costs nothing but its place.
pub(crate) fn touch(path: &Path) {
    #[expect(clippy::disallowed_methods, reason = "it is compared with times of the file system")]
    let now = std::time::SystemTime::now();
    let file = fs::File::options().write(true).open(path);
    drop(file.and_then(|file| file.set_modified(now)));
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = new_private_file(path)?;
    file.write_all(content)
}
