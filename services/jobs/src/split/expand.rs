//! The splitter `files`: each file of an archive becomes a blob of its own, once.

use std::collections::BTreeMap;
use std::io;

use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;

use super::archive::{self, ArchiveError, Refusal};
use super::blob_io::{BlobReader, BlobWriter, Trouble};
use super::error::SplitError;
use super::meter::INFLATED_BYTES_MAX;
use super::plan::ChunkInput;

/// One chunk a file, in the order of their names. Runs on the blocking pool.
pub(super) fn by_files(
    blobs: &BlobStore,
    archive: Sha256Hash,
    size: u64,
) -> Result<Vec<ChunkInput>, SplitError> {
    let trouble = Trouble::default();
    let reader = BlobReader::new(blobs, archive, size, &trouble);
    let mut files = BTreeMap::new();
    let walked = archive::walk(reader, size, &mut |name, body| {
        let mut writer = BlobWriter::new(blobs, INFLATED_BYTES_MAX, &trouble);
        io::copy(body, &mut writer)?;
        files.insert(name.to_owned(), writer.finish()?);
        Ok(())
    });
    match walked {
        Err(error) => Err(trouble.take().map_or(SplitError::Archive(error), SplitError::Store)),
        Ok(()) if files.is_empty() => {
            Err(SplitError::Archive(ArchiveError { entry: None, why: Refusal::NoFiles }))
        }
        Ok(()) => Ok(files
            .into_iter()
            .map(|(name, (sha256, size))| ChunkInput::File { name, sha256, size })
            .collect()),
    }
}
