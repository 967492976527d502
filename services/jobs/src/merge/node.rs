//! What a node of a tree of merges reads: the results below it, each in a folder of its own. Files
//! are parts of the bundles as they are stored: nothing is copied.

use medusa_platform::BlobStore;
use medusa_types::{Bundle, Sha256Hash};

use super::error::MergeError;
use crate::split::{Resolved, Source};

/// The file under which a program finds what another wrote to standard output.
const STDOUT: &str = "stdout";

/// The folders of these results, in order.
///
/// # Errors
/// [`MergeError`] when one is no bundle or the store fails.
pub(crate) async fn inputs(
    blobs: &BlobStore,
    below: &[Sha256Hash],
) -> Result<Resolved, MergeError> {
    let mut files = Vec::new();
    let mut folders = String::new();
    for (place, sha256) in below.iter().enumerate() {
        let bytes = blobs.get(*sha256).await.map_err(MergeError::Store)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let parts = Bundle::places(&bytes).map_err(|error| MergeError::Failed {
            file: STDOUT.to_owned(),
            why: format!("result {place} of a merge: {error}"),
        })?;
        for (name, range) in parts {
            let name = if name.is_empty() { STDOUT } else { &name };
            let len = range.end.saturating_sub(range.start);
            let part = Source::Blob { sha256: *sha256, size, offset: range.start, len };
            files.push((format!("in/{place}/{name}"), part));
        }
        folders.push_str(&format!("/in/{place}\n"));
    }
    Ok(Resolved { stdin: Source::Bytes(folders.into()), files })
}
