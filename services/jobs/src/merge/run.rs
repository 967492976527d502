//! Running the rules over the chunks' bundles. Everything that blocks is here, and it runs on the
//! blocking pool; how the pieces are put together is in the pure modules beside.

use std::collections::BTreeSet;
use std::io::Write;

use futures_util::{StreamExt as _, stream};
use medusa_api::{MergeHow, MergeRule};
use medusa_events::FileRef;
use medusa_platform::BlobStore;
use medusa_platform::blob::BlobError;
use medusa_types::{Bundle, Sha256Hash};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::error::{Fault, MergeError, Piece, Pieces};
use super::{archive, join, json, rows, stitch};
use crate::split::{BlobWriter, Plan, Trouble, in_turn};

/// The most bytes of one result file.
const RESULT_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Bundles that are read ahead: most are small, and the store may be far away.
const READ_AHEAD: usize = 8;
/// Names of other files that a message lists.
pub(super) const NAMES_MAX: usize = 8;
/// Jobs that are merged at the same time.
pub(super) static MERGES: Semaphore = Semaphore::const_new(4);

/// Puts the results together: `outputs` are the bundles of all chunks, in chunk order.
///
/// # Errors
/// [`MergeError`] when the results do not fit the rules or the store fails.
pub async fn merge(
    blobs: &BlobStore,
    rules: &[MergeRule],
    plan: &Plan,
    outputs: &[Sha256Hash],
) -> Result<Vec<FileRef>, MergeError> {
    let (chunks, results) = (plan.count(), outputs.len());
    if u64::try_from(results) != Ok(chunks) {
        let file = rules.first().map_or("result", |rule| &rule.to).to_owned();
        let why = format!("{results} of {chunks} chunks have results");
        return Err(MergeError::Failed { file, why });
    }
    merge_some(blobs, rules, plan, outputs).await
}

/// Puts together what there is: `outputs` are bundles of some chunks, in chunk order; of all, where
/// a rule makes a picture.
///
/// # Errors
/// As [`merge`].
pub(crate) async fn merge_some(
    blobs: &BlobStore,
    rules: &[MergeRule],
    plan: &Plan,
    outputs: &[Sha256Hash],
) -> Result<Vec<FileRef>, MergeError> {
    let usual = [MergeRule {
        file: String::new(),
        how: MergeHow::Concat,
        sort: 0,
        to: "result".to_owned(),
    }];
    let rules = if rules.is_empty() { usual.to_vec() } else { rules.to_vec() };
    let work = Work { blobs: blobs.clone(), plan: plan.clone(), outputs: outputs.to_vec() };
    let all = move || rules.iter().map(|rule| work.result(rule)).collect();
    in_turn(&MERGES, all).await?
}

struct Work {
    blobs: BlobStore,
    plan: Plan,
    outputs: Vec<Sha256Hash>,
}

impl Work {
    /// Makes and stores the result of one rule.
    fn result(&self, rule: &MergeRule) -> Result<FileRef, MergeError> {
        let trouble = Trouble::default();
        let mut store_error = None;
        let mut seen = Seen::default();
        let mut writer = BlobWriter::new(&self.blobs, RESULT_BYTES_MAX, &trouble);
        let mut pieces = self.pieces(&rule.file, &mut store_error, &mut seen);
        let stored = put_together(rule, (&self.plan, self.outputs.len()), &mut pieces, &mut writer)
            .and_then(|()| {
                let (sha256, size) = writer.finish()?;
                Ok(FileRef { name: rule.to.clone(), sha256, size })
            });
        drop(pieces);
        let fault = match stored {
            Ok(file) if rule.file.is_empty() || seen.found => return Ok(file),
            Ok(file) => {
                let wrote = seen.others.into_iter().collect();
                return Err(MergeError::Missing {
                    file: file.name,
                    from: rule.file.clone(),
                    wrote,
                });
            }
            Err(fault) => fault,
        };
        let failed = |why: String| MergeError::Failed { file: rule.to.clone(), why };
        Err(match (store_error.or_else(|| trouble.take()), fault) {
            (Some(BlobError::TooLarge(limit)), _) => {
                failed(format!("it would have more than {limit} bytes"))
            }
            (Some(error), _) => MergeError::Store(error),
            (None, Fault::Chunk(chunk, why)) => failed(format!("chunk {chunk}: {why}")),
            (None, Fault::Whole(why)) => failed(why),
            (None, Fault::Io(error)) => MergeError::Write(error),
        })
    }

    /// The entry `file` of each bundle. Reads a few bundles ahead of the one that is asked for.
    fn pieces<'a>(
        &'a self,
        file: &'a str,
        store_error: &'a mut Option<BlobError>,
        seen: &'a mut Seen,
    ) -> impl Iterator<Item = Piece> + 'a {
        let runtime = Handle::current();
        let reads = self.outputs.iter().map(|sha256| self.blobs.get(*sha256));
        let mut reads = Box::pin(stream::iter(reads).buffered(READ_AHEAD));
        let reads = std::iter::from_fn(move || runtime.block_on(reads.next()));
        reads.enumerate().map(move |(chunk, read)| {
            let bytes = read.map_err(|error| {
                let said = std::io::Error::other(error.to_string());
                *store_error = Some(error);
                Fault::Io(said)
            })?;
            let bundle = Bundle::decode(&bytes);
            let bundle = bundle.map_err(|error| Fault::Chunk(chunk, error.to_string()))?;
            let piece = bundle.get(file).map(<[u8]>::to_vec);
            seen.note(&bundle, piece.is_some());
            Ok(piece)
        })
    }
}

/// Writes what the rule makes of the pieces of so many chunks of a plan.
pub(super) fn put_together(
    rule: &MergeRule,
    (plan, chunks): (&Plan, usize),
    pieces: Pieces<'_>,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    match rule.how {
        MergeHow::Concat => join::concat(pieces, out),
        MergeHow::Zip => archive::zip(&rule.file, chunks, pieces, out),
        MergeHow::Csv => rows::csv(rule.sort, pieces, out),
        MergeHow::Sum => rows::sum(pieces, out),
        MergeHow::Mean => rows::mean(pieces, out),
        MergeHow::Json => json::array(pieces, out),
        MergeHow::Tiles => stitch::tiles(plan, pieces, out),
    }
}

/// What chunks wrote, for who names a file that none did.
#[derive(Default)]
struct Seen {
    found: bool,
    others: BTreeSet<String>,
}

impl Seen {
    fn note(&mut self, bundle: &Bundle, found: bool) {
        self.found |= found;
        if !self.found {
            let room = NAMES_MAX.saturating_sub(self.others.len());
            let names = bundle.iter().map(|(name, _)| name);
            let names = names.filter(|name| !name.is_empty() && !self.others.contains(*name));
            let new: Vec<String> = names.take(room).map(str::to_owned).collect();
            self.others.extend(new);
        }
    }
}
