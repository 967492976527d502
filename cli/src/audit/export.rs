//! `audit export`: the whole log into a folder, so that it can be checked without the server.
//!
//! Tiles and bundles that are full never change and are fetched once: a later export of a grown log
//! brings only what is new, after the server has proven that the new log goes on from the old one.
//! Only the shape of what comes is looked at here; whether it is right, `audit verify` says.

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use medusa_api::{AccountQuery, AsOf, CheckpointQuery};
use medusa_client::Client;
use medusa_ledger::{AccountState, Amount, Currency};
use medusa_tlog::{
    BundleId, Checkpoint, Note, Tile, TileId, TreeHead, Verifier, decode_bundle, verify_consistency,
};
use medusa_types::Credits;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::folder::{
    AccountClaim, BALANCES, Balances, CHECKPOINT, ClassClaim, EARLIER, FILE_BYTES_MAX, Folder, KEY,
    names_of,
};
use crate::exit::{Exit, Fail};
use crate::output::Out;

/// Files that are fetched at the same time.
const AT_ONCE: usize = 8;
/// Accounts or checkpoints of one page.
const PAGE: u32 = 200;
/// How long a published checkpoint may lag behind, for the sake of its witnesses.
const PUBLISHED_WAIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);
const BAR: &str = "reading {bar:30} {pos} of {len} files, {eta} left";

/// A checkpoint as it stands in the export.
struct Signed {
    note: String,
    checkpoint: Checkpoint,
}

impl Signed {
    fn read(note: String, key: &Verifier) -> anyhow::Result<Self> {
        let checkpoint = key.open(&note).map_err(|error| unverified(error.to_string()))?;
        Ok(Self { note, checkpoint })
    }

    const fn head(&self) -> TreeHead {
        self.checkpoint.head()
    }

    fn size(&self) -> i64 {
        i64::try_from(self.checkpoint.size).unwrap_or(i64::MAX)
    }
}

/// Exports into the folder of this path, and gives the number of events.
pub(super) async fn export(client: &Client, out: Out, path: &Path) -> anyhow::Result<u64> {
    let folder = Folder::new(path);
    let key = named_key(client, &folder).await?;
    let before = match folder.has(CHECKPOINT) {
        true => Some(Signed::read(folder.read_text(CHECKPOINT, FILE_BYTES_MAX)?, &key)?),
        false => None,
    };
    folder.begin()?;
    // The balances first: the log only grows, so that they are of events inside of it.
    let accounts = accounts(client).await?;
    let known = accounts.iter().map(|claim| claim.as_of).max().unwrap_or_default();
    let least = known.max(before.as_ref().map_or(0, Signed::size));
    let signed = checkpoint(client, &key, least).await?;
    if let Some(before) = &before {
        check_goes_on(client, &before.head(), &signed.head()).await?;
    }
    let size = signed.checkpoint.size;
    fetch_tiles(client, out, &folder, size).await?;
    let classes = classes(client, signed.size()).await?;
    let balances = Balances { position: signed.size(), classes, accounts };
    let earlier = earlier(client, &folder, signed.size()).await?;
    folder.write(KEY, format!("{key}\n").as_bytes())?;
    folder.write(EARLIER, earlier.as_bytes())?;
    folder.write(BALANCES, &serde_json::to_vec(&balances)?)?;
    folder.write(CHECKPOINT, signed.note.as_bytes())?;
    folder.finish(size)?;
    Ok(size)
}

fn unverified(message: impl Into<String>) -> anyhow::Error {
    Fail::new(Exit::Unverified, message).into()
}

/// The key that the server names; the same as the folder's, when that has one.
async fn named_key(client: &Client, folder: &Folder) -> anyhow::Result<Verifier> {
    let named = client.audit_head().await?.verifier_key;
    if folder.has(KEY) {
        let kept = folder.read_text(KEY, FILE_BYTES_MAX)?;
        if kept.trim_end() != named {
            let message = format!(
                "the server names the key {named}, the export in the folder has \
                                   {}",
                kept.trim_end()
            );
            let next = "export into a new folder, and ask the house why its key is another one";
            return Err(Fail::new(Exit::Unverified, message).next(next).into());
        }
    }
    named.parse().map_err(|error| unverified(format!("the server's key {named}: {error}")))
}

/// The published checkpoint, once it covers so many events; after a while the head, which has no
/// cosignatures.
async fn checkpoint(client: &Client, key: &Verifier, least: i64) -> anyhow::Result<Signed> {
    let began = Instant::now();
    while began.elapsed() < PUBLISHED_WAIT {
        let signed = Signed::read(client.log_checkpoint().await?, key)?;
        if signed.size() >= least {
            return Ok(signed);
        }
        let head = client.audit_head().await?;
        if head.size < least {
            let message = format!(
                "the log was cut: the server has {} events, and had {least} before",
                head.size
            );
            return Err(unverified(message));
        }
        sleep(PAUSE).await;
    }
    Signed::read(client.audit_head().await?.checkpoint, key)
}

async fn check_goes_on(client: &Client, old: &TreeHead, new: &TreeHead) -> anyhow::Result<()> {
    let proven = match (old.size, i64::try_from(old.size), i64::try_from(new.size)) {
        (0, ..) => true,
        (_, Ok(from), Ok(to)) => {
            let proof = client.audit_consistency(from, Some(to)).await?;
            let path: Vec<_> = proof.path.iter().map(|hash| hash.0).collect();
            verify_consistency(old, new, &path)
        }
        _ => false,
    };
    if proven {
        return Ok(());
    }
    let message = format!(
        "history was rewritten: the server's log of {} events does not go on from the {} events \
         that are exported here",
        new.size, old.size
    );
    let next = "keep this folder, it is the evidence; export into a new one";
    Err(Fail::new(Exit::Unverified, message).next(next).into())
}

/// Every account, each page as of its own position.
async fn accounts(client: &Client) -> anyhow::Result<Vec<AccountClaim>> {
    let mut claims = Vec::new();
    let mut query = AccountQuery { limit: Some(PAGE), ..AccountQuery::default() };
    loop {
        let page = client.accounts(&query).await?;
        for item in page.items {
            let read = |text: &str| units(text, item.currency);
            claims.push(AccountClaim {
                as_of: page.position,
                balance: read(&item.balance)?,
                debits_pending: read(&item.debits_pending)?,
                credits_pending: read(&item.credits_pending)?,
                state: state(item.state),
                account: item.account,
            });
        }
        if page.next.is_none() || page.next == query.after {
            return Ok(claims);
        }
        query.after = page.next;
    }
}

async fn classes(client: &Client, position: i64) -> anyhow::Result<Vec<ClassClaim>> {
    let as_of = AsOf { position: Some(position), at: None };
    let lines = client.trial_balance_at(&as_of).await?.lines;
    let claim = |line: medusa_api::TrialLine| {
        Ok(ClassClaim { balance: units(&line.balance, line.currency)?, class: line.class })
    };
    lines.into_iter().map(claim).collect()
}

/// Whole units of decimal text.
fn units(text: &str, currency: medusa_api::Currency) -> anyhow::Result<Amount> {
    let credits = text.parse::<Credits>().ok();
    let (own, amount) = match currency {
        medusa_api::Currency::Crd => (Currency::Crd, credits.map(Amount::from)),
        // A cent is as many millionths as the four places that dollars do not have.
        medusa_api::Currency::Usd => {
            let cents = credits.and_then(|credits| credits.micros().checked_div(10_000));
            (Currency::Usd, cents.map(Amount::new))
        }
    };
    let amount = amount.filter(|amount| own.show(*amount) == text);
    amount.ok_or_else(|| unverified(format!("the server gives {text:?} as an amount")))
}

const fn state(state: medusa_api::AccountState) -> AccountState {
    match state {
        medusa_api::AccountState::Open => AccountState::Open,
        medusa_api::AccountState::Frozen => AccountState::Frozen,
        medusa_api::AccountState::Closed => AccountState::Closed,
    }
}

/// The tiles and bundles that are not there yet.
async fn fetch_tiles(client: &Client, out: Out, folder: &Folder, size: u64) -> anyhow::Result<()> {
    let missing: Vec<String> = names_of(size).filter(|name| !folder.has(name)).collect();
    let bar = out.bar(u64::try_from(missing.len()).unwrap_or_default(), BAR)?;
    let fetch = async |name: String| -> anyhow::Result<()> {
        let bytes = client.log_tile(&name).await?;
        check_shape(&name, &bytes).map_err(|error| unverified(format!("{name}: {error}")))?;
        let folder = folder.clone();
        spawn_blocking(move || folder.write(&name, &bytes)).await??;
        bar.inc(1);
        Ok(())
    };
    let fetched = stream::iter(missing).map(fetch).buffer_unordered(AT_ONCE);
    fetched.try_collect::<()>().await?;
    bar.finish_and_clear();
    Ok(())
}

fn check_shape(name: &str, bytes: &[u8]) -> Result<(), String> {
    if let Ok(id) = name.parse::<TileId>() {
        return Tile::decode(id, bytes).map(drop).map_err(|error| error.to_string());
    }
    let id: BundleId = name.parse().map_err(|error: medusa_tlog::TileError| error.to_string())?;
    let entries = decode_bundle(bytes).map_err(|error| error.to_string())?.len();
    if entries == usize::from(id.width()) {
        return Ok(());
    }
    Err(format!("the server gives {entries} events instead of {}", id.width()))
}

/// The checkpoints before this size, one note a line: those that are there, and newer ones.
async fn earlier(client: &Client, folder: &Folder, size: i64) -> anyhow::Result<String> {
    let mut lines = match folder.has(EARLIER) {
        true => folder.read_text(EARLIER, FILE_BYTES_MAX)?,
        false => String::new(),
    };
    let last = lines.lines().next_back().map(serde_json::from_str::<String>).transpose()?;
    let last =
        last.map(|note| Note::parse(&note).and_then(|note| note.checkpoint())).transpose()?;
    let known = last.map_or(-1, |last| i64::try_from(last.size).unwrap_or(i64::MAX));
    let mut query = CheckpointQuery { limit: Some(PAGE), ..CheckpointQuery::default() };
    let mut newer = Vec::new();
    loop {
        let page = client.checkpoints(&query).await?;
        let reached = page.items.iter().any(|item| item.size <= known);
        newer.extend(page.items.into_iter().filter(|item| item.size > known && item.size < size));
        if reached || page.next.is_none() || page.next == query.after {
            break;
        }
        query.after = page.next;
    }
    for item in newer.into_iter().rev() {
        lines += &serde_json::to_string(&item.note)?;
        lines.push('\n');
    }
    Ok(lines)
}
