//! The splitter `files`: each file of an archive becomes a blob of its own, once.

use std::collections::BTreeMap;
use std::io;

use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;

use super::archive::{self, ArchiveError, Refusal};
use super::blob_io::{BlobReader, BlobWriter, Trouble};
use super::error::SplitError;
use super::meter::INFLATED_BYTES_MAX;
use super::plan::{ChunkInput, FileInput};

/// So many files a chunk, in the order of their names. Runs on the blocking pool.
pub(super) fn by_files(
    blobs: &BlobStore,
    archive: Sha256Hash,
    size: u64,
    group: u32,
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
            .map(|(name, (sha256, size))| FileInput { name, sha256, size })
            .collect::<Vec<_>>()
            .chunks(usize::try_from(group).unwrap_or(usize::MAX).max(1))
            .map(|files| chunk_of(files, group))
            .collect()),
    }
}

/// Files by ones are chunks of another form than groups, whatever the last group has.
fn chunk_of(files: &[FileInput], group: u32) -> ChunkInput {
    match files {
        [FileInput { name, sha256, size }] if group <= 1 => {
            ChunkInput::File { name: name.clone(), sha256: *sha256, size: *size }
        }
        files => ChunkInput::Files { files: files.to_vec() },
    }
}
