//! Verifies an export with nothing but its files and the public keys that the auditor has.
//!
//! It stops at the first thing that is wrong, in this order: the key, the signatures, event by
//! event, and files that nothing signed for.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use indicatif::ProgressBar;
use medusa_tlog::{
    BundleId, CosignerKey, NOTE_BYTES_MAX, Note, Opened, TileId, TreeHead, Trust, Verifier,
};
use medusa_types::Sha256Hash;

use super::bad::Bad;
use super::check::{Checker, Earlier};
use super::claims::Claims;
use super::folder::{BALANCES, CHECKPOINT, EARLIER, FILE_BYTES_MAX, Folder, KEY};
use super::piece::{are_signed, read_all};
use crate::exit::{Exit, Fail};

/// Whom the auditor trusts, and what he kept.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    /// The log's keys; without one, the export's own word counts.
    pub(super) keys: Vec<Verifier>,
    /// Keys of witnesses.
    pub(super) witnesses: Vec<CosignerKey>,
    /// How many of them must have signed; all without it.
    pub(super) quorum: Option<usize>,
    /// Checkpoints that were kept from earlier.
    pub(super) since: Vec<PathBuf>,
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) events: u64,
    pub(super) root: Option<Sha256Hash>,
    pub(super) accounts: usize,
    /// Earlier checkpoints that the log goes on from.
    pub(super) earlier: usize,
    /// Witnesses that have signed.
    pub(super) cosigned: Vec<String>,
    /// The key that has signed.
    pub(super) key: String,
    pub(super) bad: Option<Bad>,
}

/// Verifies an export.
///
/// # Errors
/// When there is nothing to verify; what is wrong with the log is in the answer.
pub(super) fn verify(
    folder: &Folder,
    trusted: &Trusted,
    bar: &ProgressBar,
) -> anyhow::Result<Found> {
    let shown = folder.root().display();
    if folder.is_unfinished() {
        let message = format!("the export in {shown} is not finished");
        let next = format!("`medusa audit export {shown}` goes on with it");
        return Err(Fail::new(Exit::General, message).next(next).into());
    }
    if !folder.has(CHECKPOINT) && !folder.has(KEY) {
        let message = format!("{shown} is not what `medusa audit export` writes");
        return Err(Fail::new(Exit::NotFound, message).into());
    }
    let since = trusted.since.iter().map(|path| Ok((path.as_path(), kept(path)?)));
    let since = since.collect::<anyhow::Result<Vec<_>>>()?;
    let mut found = Found::default();
    found.bad = check(folder, trusted, &since, bar, &mut found).err();
    Ok(found)
}

fn kept(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}

fn check(
    folder: &Folder,
    trusted: &Trusted,
    since: &[(&Path, String)],
    bar: &ProgressBar,
    found: &mut Found,
) -> Result<(), Bad> {
    let key = named_key(folder, trusted)?;
    found.key = key.to_string();
    let keys = if trusted.keys.is_empty() { vec![key] } else { trusted.keys.clone() };
    let opened = open_checkpoint(folder, trusted, &keys)?;
    let head = opened.checkpoint.head();
    found.cosigned = opened.cosignatures.into_iter().map(|cosignature| cosignature.name).collect();
    let earlier = earlier_heads(folder, &keys, since)?;
    for Earlier { head: TreeHead { size, .. }, from } in &earlier {
        if *size > head.size {
            let what = format!(
                "the log was cut: it ends at event {}, but {from} signed for {size}",
                head.size
            );
            return Err(Bad::among(head.size.saturating_add(1), *size, what));
        }
    }
    found.earlier = earlier.len();
    let claims = Claims::read(&text(folder, BALANCES, FILE_BYTES_MAX)?, head.size)?;
    let mut checker = Checker::new(folder, earlier, claims)?;
    let result = replay(folder, &head, &mut checker, bar);
    found.events = checker.position();
    found.root = Some(checker.root());
    found.accounts = checker.accounts();
    result.map_err(|bad| match bad.loose && !are_signed(folder, head) {
        true => bad.after(checker.good()),
        false => bad,
    })?;
    check_files(folder, head.size)
}

fn text(folder: &Folder, name: &str, max: u64) -> Result<String, Bad> {
    folder.read_text(name, max).map_err(|error| Bad::new(format!("{name}: {error}")))
}

/// The key that the export names. It must be one of those that the auditor named.
fn named_key(folder: &Folder, trusted: &Trusted) -> Result<Verifier, Bad> {
    let line = text(folder, KEY, FILE_BYTES_MAX)?;
    let line = line.strip_suffix('\n').unwrap_or_default();
    let key: Verifier = line.parse().map_err(|error| Bad::new(format!("{KEY}: {error}")))?;
    if trusted.keys.is_empty() || trusted.keys.contains(&key) {
        return Ok(key);
    }
    Err(Bad::new(format!("{KEY} names the key {key}, which is none that you named")))
}

fn open_checkpoint(folder: &Folder, trusted: &Trusted, keys: &[Verifier]) -> Result<Opened, Bad> {
    let bad = |error| Bad::new(format!("{CHECKPOINT}: {error}"));
    let quorum = trusted.quorum.unwrap_or(trusted.witnesses.len());
    let trust = Trust::new(keys.to_vec(), trusted.witnesses.clone(), quorum).map_err(bad)?;
    let max = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
    let note = Note::parse(&text(folder, CHECKPOINT, max)?).map_err(bad)?;
    trust.open(&note).map_err(bad)
}

/// What the log has signed before, as the export and the auditor have kept it.
fn earlier_heads(
    folder: &Folder,
    keys: &[Verifier],
    since: &[(&Path, String)],
) -> Result<Vec<Earlier>, Bad> {
    let mut heads = Vec::new();
    for (path, note) in since {
        heads.push(earlier(note, keys, path.display().to_string())?);
    }
    let lines = text(folder, EARLIER, FILE_BYTES_MAX)?;
    for (number, line) in (1..).zip(lines.split_terminator('\n')) {
        let from = format!("line {number} of {EARLIER}");
        let bad = |what: &str| Bad::new(format!("{from}: {what}"));
        let note: String = serde_json::from_str(line).map_err(|_| bad("it is not a JSON text"))?;
        if serde_json::to_string(&note).ok().as_deref() != Some(line) {
            return Err(bad("it is written in another way than `medusa audit export` does"));
        }
        heads.push(earlier(&note, keys, from)?);
    }
    if !lines.is_empty() && !lines.ends_with('\n') {
        return Err(Bad::new(format!("{EARLIER}: its last line is cut")));
    }
    Ok(heads)
}

fn earlier(note: &str, keys: &[Verifier], from: String) -> Result<Earlier, Bad> {
    let bad = |error| Bad::new(format!("{from}: {error}"));
    let trust = Trust::new(keys.to_vec(), Vec::new(), 0).map_err(bad)?;
    let opened = Note::parse(note).and_then(|note| trust.open(&note)).map_err(bad)?;
    Ok(Earlier { head: opened.checkpoint.head(), from })
}

/// Nothing stands in the folder that the checkpoint does not cover.
fn check_files(folder: &Folder, size: u64) -> Result<(), Bad> {
    let strangers = folder.strangers(size);
    let strangers = strangers.map_err(|error| Bad::new(format!("its files: {error}")))?;
    let Some(name) = strangers.first() else { return Ok(()) };
    let end = |index: u64, width: u16| index.saturating_mul(256).saturating_add(width.into());
    let bundle = name.parse::<BundleId>().map(|id| end(id.index(), id.width()));
    let leaves = name.parse::<TileId>().ok().filter(|id| id.level() == 0);
    let last = bundle.ok().or_else(|| leaves.map(|id| end(id.index(), id.width())));
    let what = format!("{name} is no file of a log of {size} events: nothing signed for it");
    Err(match last.filter(|last| *last > size) {
        Some(last) => Bad::among(size.saturating_add(1), last, what),
        None => Bad::new(what),
    })
}

/// Every event once, in order.
fn replay(
    folder: &Folder,
    head: &TreeHead,
    checker: &mut Checker<'_>,
    bar: &ProgressBar,
) -> Result<(), Bad> {
    bar.set_length(head.size);
    thread::scope(|scope| {
        let readers = read_all(scope, folder, *head);
        for reader in readers.iter().cycle() {
            if checker.position() == head.size {
                break;
            }
            let piece = reader.recv().map_err(|_| Bad::new("a thread of this program ended"))?;
            for (event, leaf) in piece.events {
                checker.take(event, leaf)?;
            }
            if let Some(bad) = piece.bad {
                return Err(bad);
            }
            bar.set_position(checker.position());
        }
        Ok(())
    })?;
    checker.finish(head)
}
