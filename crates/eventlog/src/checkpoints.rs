//! Checkpoints: signing them, keeping them, what witnesses say about them, and which one is shown.
//!
//! Every size and root that was signed is kept, and is signed only when tiles and events prove that
//! the log goes on from the one before. One process signs at a time. When the proof fails, history
//! was changed: nothing is signed any more, and that is told loudly.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use medusa_api::{CheckpointPage, CheckpointQuery, CheckpointSummary, Cosigned};
use medusa_platform::supervise::supervise;
use medusa_tlog::{
    Cosignature, CosignerKey, Note, Signer, TreeHead, empty_root, verify_consistency,
};
use medusa_types::{Sha256Hash, Timestamp};
use sqlx::PgConnection;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::append::EventLog;
use crate::audit::{AuditError, Auditor, count, hash, tree_head};
use crate::error::LogError;

/// Between two checkpoints of a growing log.
const EVERY: Duration = Duration::from_secs(1);
/// How long a new checkpoint may wait for its witnesses before it is shown without them.
const WITNESSES_WAIT_MS: i64 = 10_000;
/// The newest checkpoints, one of which is shown.
const SHOWN_OF: i64 = 64;
/// Checkpoints of one page, and the most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// The lock under which one process signs: "medusa" and 1.
const SIGNING_LOCK: i64 = 0x6d65_6475_7361_0001;

/// A signed size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// How many events.
    pub size: i64,
    /// The root over them.
    pub root: Sha256Hash,
    /// The signed note, with cosignatures where it is the published one.
    pub note: String,
}

/// The key, and what signing remembers.
pub(crate) struct Signing {
    pub(crate) signer: Signer,
    /// One at a time: the others wait without a connection.
    turn: Mutex<()>,
    /// Why nothing is signed any more.
    refused: OnceLock<String>,
    /// Whether the last checkpoint from before the start was checked.
    checked: AtomicBool,
    /// The largest size that was shown: readers never see the log shrink.
    shown: AtomicI64,
    newest: watch::Sender<i64>,
}

impl Signing {
    pub(crate) fn new(signer: Signer) -> Self {
        let (turn, refused, checked) = (Mutex::new(()), OnceLock::new(), AtomicBool::new(false));
        let (shown, newest) = (AtomicI64::new(0), watch::Sender::new(0));
        Self { signer, turn, refused, checked, shown, newest }
    }
}

/// What is stored: the head, and the last checkpoint.
#[derive(Clone)]
struct Stored {
    head: (i64, Sha256Hash),
    last: Option<SignedHead>,
}

impl Auditor {
    /// The size of the newest checkpoint, as it grows; 0 before the first since the start.
    #[must_use]
    pub fn newest_size(&self) -> watch::Receiver<i64> {
        self.signing.newest.subscribe()
    }

    /// Signs the present head, if that was not done yet.
    pub(crate) async fn sign(&self) -> Result<SignedHead, AuditError> {
        if let Some(why) = self.signing.refused.get() {
            return Err(AuditError::Changed(why.clone()));
        }
        let signed = match self.sign_checked().await {
            Err(AuditError::Log(LogError::Corrupt(why))) => Err(AuditError::Changed(why)),
            other => other,
        };
        match &signed {
            Ok(signed) => {
                self.signing.newest.send_if_modified(|newest| {
                    let grown = signed.size > *newest;
                    *newest = signed.size.max(*newest);
                    grown
                });
            }
            Err(AuditError::Changed(why)) => {
                if self.signing.refused.set(why.clone()).is_ok() {
                    tracing::error!(
                        why,
                        "THE LOG IS NOT THE ONE THAT WAS SIGNED BEFORE; no checkpoint is signed any more"
                    );
                }
            }
            Err(_) => {}
        }
        signed
    }

    async fn sign_checked(&self) -> Result<SignedHead, AuditError> {
        let mut db = self.pool.acquire().await?;
        if let Some(signed) = self.signed_already(read_stored(&mut db).await?) {
            return Ok(signed);
        }
        drop(db);
        // Whoever waits here holds no connection.
        let _turn = self.signing.turn.lock().await;
        let mut tx = self.pool.begin().await?;
        sqlx::query!("select pg_advisory_xact_lock($1)", SIGNING_LOCK).execute(&mut *tx).await?;
        let stored = read_stored(&mut tx).await?;
        let (size, root) = stored.head;
        if self.signed_already(stored.clone()).is_none() {
            self.check(&mut tx, stored.last.as_ref(), stored.head).await?;
            self.signing.checked.store(true, Ordering::Release);
        }
        if let Some(signed) = self.signed_already(stored) {
            return Ok(signed);
        }
        let note = self.signing.signer.sign(count(size), root.0);
        sqlx::query!(
            "insert into checkpoint (size, root, note, at) values ($1, $2, $3, $4)",
            size,
            root.as_bytes(),
            note,
            self.clock.now().to_utc()
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(SignedHead { size, root, note })
    }

    /// The last checkpoint, if it is of the head and was checked since the start.
    fn signed_already(&self, stored: Stored) -> Option<SignedHead> {
        let checked = self.signing.checked.load(Ordering::Acquire);
        stored.last.filter(|last| checked && (last.size, last.root) == stored.head)
    }

    /// Whether the head goes on from the last checkpoint, and both are what tiles and events give.
    async fn check(
        &self,
        db: &mut PgConnection,
        last: Option<&SignedHead>,
        (size, root): (i64, Sha256Hash),
    ) -> Result<(), AuditError> {
        let (old, new) =
            (last.map_or_else(TreeHead::empty, SignedHead::head), tree_head(size, root.0));
        if old.size > new.size {
            let text = format!("it has {} events, and {} were signed for", new.size, old.size);
            return Err(AuditError::Changed(text));
        }
        for last_try in [false, true] {
            match self.contradiction(db, &old, &new).await? {
                None => return Ok(()),
                Some(why) if last_try => return Err(AuditError::Changed(why)),
                // What is remembered of tiles may be what is wrong.
                Some(_) => self.forget_tiles().await,
            }
        }
        Ok(())
    }

    /// Why the new head is not one that goes on from the old one.
    async fn contradiction(
        &self,
        db: &mut PgConnection,
        old: &TreeHead,
        new: &TreeHead,
    ) -> Result<Option<String>, AuditError> {
        let (from, to) = (old.size.cast_signed(), new.size.cast_signed());
        if self.computed_root(db, to).await? != new.root {
            let why = format!("tiles and events do not give the root of its {to} events");
            return Ok(Some(why));
        }
        let consistent = if from == 0 {
            old.root == empty_root()
        } else {
            verify_consistency(old, new, &self.steps(db, from, to).await?)
        };
        let why = || format!("its {to} events do not begin with the {from} that were signed for");
        Ok((!consistent).then(why))
    }

    /// The checkpoint to show: the newest, unless an earlier one has more cosignatures and the
    /// newest is so young that its witnesses may still sign it. Never a smaller one than before.
    ///
    /// # Errors
    /// As [`Auditor::head`].
    pub async fn published(&self) -> Result<SignedHead, AuditError> {
        let rows = sqlx::query!(
            r#"select size, root, note, at,
                   array(select line from cosignature c where c.size = k.size order by witness)
                       as "lines!"
               from checkpoint k order by size desc limit $1"#,
            SHOWN_OF
        )
        .fetch_all(&self.pool)
        .await?;
        let settled = self.clock.now().plus_ms(-WITNESSES_WAIT_MS);
        let shown = self.signing.shown.load(Ordering::Acquire);
        let young = |at: Timestamp| at > settled;
        let reach = rows.iter().take_while(|row| young(Timestamp::from_utc(row.at))).count();
        let candidates = rows.iter().take(reach.saturating_add(1)).filter(|row| row.size >= shown);
        // Of equally many cosignatures the last one counts: the largest.
        let Some(best) = candidates.rev().max_by_key(|row| row.lines.len()) else {
            return self.sign().await;
        };
        self.signing.shown.fetch_max(best.size, Ordering::AcqRel);
        let note = with_lines(&best.note, best.lines.iter().map(String::as_str));
        Ok(SignedHead { size: best.size, root: hash(&best.root)?, note })
    }

    /// The newest checkpoint as the log signed it; none before the first.
    ///
    /// # Errors
    /// [`LogError::Database`].
    pub async fn newest(&self) -> Result<Option<SignedHead>, AuditError> {
        let mut db = self.pool.acquire().await?;
        Ok(read_stored(&mut db).await?.last)
    }

    /// The size of the last checkpoint that this witness signed; 0 before the first.
    ///
    /// # Errors
    /// [`LogError::Database`].
    pub async fn cosigned_size(&self, witness: &str) -> Result<i64, AuditError> {
        let size =
            sqlx::query_scalar!("select max(size) from cosignature where witness = $1", witness)
                .fetch_one(&self.pool)
                .await?;
        Ok(size.unwrap_or_default())
    }

    /// Keeps the cosignature out of a witness's answer, once it is verified.
    ///
    /// # Errors
    /// [`AuditError::Cosignature`] when the answer does not hold one of this witness.
    pub async fn add_cosignature(
        &self,
        signed: &SignedHead,
        witness: &CosignerKey,
        answer: &str,
    ) -> Result<Cosignature, AuditError> {
        let note = Note::parse(&signed.note).map_err(AuditError::Cosignature)?;
        let before = note.signatures().len();
        let keys = std::slice::from_ref(witness);
        let merged = note.merge(answer, keys).map_err(AuditError::Cosignature)?;
        let found = merged.cosigned_by(keys).map_err(AuditError::Cosignature)?.pop();
        let (Some(line), Some(cosignature)) = (merged.signatures().get(before), found) else {
            return Err(AuditError::Cosignature(medusa_tlog::NoteError::Signature));
        };
        let seconds = i64::try_from(cosignature.at.get()).unwrap_or(i64::MAX);
        sqlx::query!(
            "insert into cosignature (size, witness, line, at) values ($1, $2, $3, $4)
             on conflict (size, witness) do nothing",
            signed.size,
            witness.name(),
            line.to_string(),
            Timestamp::from_micros(seconds.saturating_mul(1_000_000)).to_utc()
        )
        .execute(&self.pool)
        .await?;
        Ok(cosignature)
    }

    /// Checkpoints, largest first, with the witnesses that signed them.
    ///
    /// # Errors
    /// [`AuditError::Cursor`].
    pub async fn checkpoints(&self, query: &CheckpointQuery) -> Result<CheckpointPage, AuditError> {
        let limit = AuditError::limit(query.limit.unwrap_or(PAGE).into(), PAGE_MAX.into())?;
        let after = query.after.as_deref().map(str::parse::<i64>).transpose();
        let after = after.map_err(|_| AuditError::Cursor)?.unwrap_or(i64::MAX);
        let rows = sqlx::query!(
            "select size, root, note, at from checkpoint where size < $1
             order by size desc limit $2",
            after,
            limit.saturating_add(1)
        )
        .fetch_all(&self.pool)
        .await?;
        let more = i64::try_from(rows.len()).unwrap_or_default() > limit;
        let page = || rows.iter().take(usize::try_from(limit).unwrap_or_default());
        let sizes: Vec<i64> = page().map(|row| row.size).collect();
        let cosignatures = sqlx::query!(
            "select size, witness, line, at from cosignature where size = any($1) order by witness",
            &sizes
        )
        .fetch_all(&self.pool)
        .await?;
        let items = page()
            .map(|row| {
                let own = || cosignatures.iter().filter(|c| c.size == row.size);
                let cosigned = own().map(|c| Cosigned {
                    witness: c.witness.clone(),
                    at: Timestamp::from_utc(c.at),
                });
                Ok(CheckpointSummary {
                    size: row.size,
                    root: hash(&row.root)?,
                    at: Timestamp::from_utc(row.at),
                    cosigned: cosigned.collect(),
                    note: with_lines(&row.note, own().map(|c| c.line.as_str())),
                })
            })
            .collect::<Result<_, LogError>>()?;
        let next = sizes.last().filter(|_| more).map(ToString::to_string);
        Ok(CheckpointPage { items, witnesses: self.witnesses.to_vec(), next })
    }
}

impl SignedHead {
    fn head(&self) -> TreeHead {
        tree_head(self.size, self.root.0)
    }
}

fn with_lines<'a>(note: &str, lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(note.to_owned(), |note, line| note + line + "\n")
}

async fn read_stored(db: &mut PgConnection) -> Result<Stored, AuditError> {
    let head = sqlx::query!("select position, root from log_head").fetch_one(&mut *db).await?;
    let last = sqlx::query!("select size, root, note from checkpoint order by size desc limit 1")
        .fetch_optional(db)
        .await?;
    let last = match last {
        Some(row) => Some(SignedHead { size: row.size, root: hash(&row.root)?, note: row.note }),
        None => None,
    };
    Ok(Stored { head: (head.position, hash(&head.root)?), last })
}

/// Signs a checkpoint at once when the log grew, and then once a second at most, until history was
/// changed or `stop` is called.
pub fn start_checkpoints(auditor: &Auditor, log: &EventLog, stop: CancellationToken) {
    let (auditor, head) = (auditor.clone(), log.head.clone());
    supervise("eventlog.checkpoints", stop, move || {
        sign_as_it_grows(auditor.clone(), head.clone())
    });
}

async fn sign_as_it_grows(
    auditor: Auditor,
    mut head: watch::Receiver<i64>,
) -> Result<(), AuditError> {
    head.mark_changed();
    let mut told = false;
    while head.changed().await.is_ok() {
        match auditor.sign().await {
            Ok(_) => told = false,
            Err(AuditError::Changed(_)) => return Ok(()),
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "no checkpoint could be signed; trying on");
                }
                head.mark_changed();
            }
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
