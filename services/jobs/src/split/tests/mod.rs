//! The splitters on real and on nasty inputs, over a store of files.

mod archives;
mod compact;
mod cover;
mod forms;
mod inputs;
mod own;
mod pictures;

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use medusa_api::Split;
use medusa_platform::{BlobStore, Random};
use medusa_types::Sha256Hash;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Inputs, Plan, Source, SplitError, plan};

/// A store of its own, gone afterwards.
pub(crate) struct Store {
    pub(crate) blobs: BlobStore,
    folder: PathBuf,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("medusa-split-{}", Random::system().id()));
        Self { blobs: BlobStore::files(&folder).unwrap(), folder }
    }

    pub(crate) async fn put(&self, bytes: impl Into<Vec<u8>>) -> Sha256Hash {
        self.blobs.put(Bytes::from(bytes.into())).await.unwrap()
    }

    /// The plan for these bytes.
    pub(crate) async fn plan(
        &self,
        split: &Split,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<Plan, SplitError> {
        let planned = plan(&self.blobs, split, Some(self.put(bytes).await)).await?;
        assert_eq!(planned.sha256, Sha256Hash::of(&planned.json));
        Ok((*planned.plan).clone())
    }

    /// What each chunk reads on standard input.
    pub(crate) async fn stdins(&self, plan: &Plan, input: Option<Sha256Hash>) -> Vec<Vec<u8>> {
        let inputs = Inputs::new(self.blobs.clone(), plan.clone().into(), input);
        let mut all = Vec::new();
        for index in 0..u32::try_from(plan.count()).unwrap() {
            all.push(self.bytes(&inputs.resolve(index).await.unwrap().stdin).await);
        }
        all
    }

    pub(crate) async fn bytes(&self, source: &Source) -> Vec<u8> {
        match source {
            Source::Bytes(bytes) => bytes.to_vec(),
            Source::Headed { head, sha256, size, offset, len } => {
                let (sha256, size, offset, len) = (*sha256, *size, *offset, *len);
                let rest = Box::pin(self.bytes(&Source::Blob { sha256, size, offset, len })).await;
                [head.to_vec(), rest].concat()
            }
            Source::Blob { sha256, size, offset, len } => {
                let whole = self.blobs.get(*sha256).await.unwrap();
                assert_eq!(u64::try_from(whole.len()).unwrap(), *size);
                let start = usize::try_from(*offset).unwrap();
                whole[start..start + usize::try_from(*len).unwrap()].to_vec()
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A zip file of these files, compressed.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        if let Some(folder) = name.strip_suffix('/') {
            zip.add_directory(folder, SimpleFileOptions::default()).unwrap();
        } else {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A PNG file of these samples.
pub(crate) fn png_of(
    width: u32,
    height: u32,
    color: png::ColorType,
    depth: png::BitDepth,
    samples: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    out
}
