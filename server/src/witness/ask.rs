//! Asking a witness to sign: the newest checkpoint, one request at a time, again and again until it
//! has signed or a newer one takes its place. Money and jobs never wait for it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use medusa_eventlog::{AuditError, Auditor, SignedHead};
use medusa_platform::supervise::supervise;
use medusa_tlog::{AddCheckpoint, Note};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use tokio_util::sync::CancellationToken;

use super::WitnessAddress;

/// A request, from its connection to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of an answer that are told to the operator.
const WORDS_MAX: usize = 200;
/// Requests for one checkpoint: the witness may name another size than we know.
const TRIES: u32 = 3;
/// Between two tries of what failed; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The media type of an answer that is a size.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// Why a checkpoint was not signed.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// No answer, or none that could be read.
    #[error("the witness does not answer: {0}")]
    Silent(reqwest::Error),
    /// The answer is too long.
    #[error("the answer of the witness is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// It knows a longer log.
    #[error(
        "the witness has signed for {known} events, but this log has {size}: was its database restored from an old backup, or is this not the only server of the log?"
    )]
    Ahead { known: i64, size: i64 },
    /// It names one size after another.
    #[error("the witness names another size each time")]
    Unsteady,
    /// It says no.
    #[error("the witness refuses with {status}: {words}")]
    Refused { status: u16, words: String },
    /// The proof could not be made, or the cosignature is none.
    #[error("{0}")]
    Log(#[from] AuditError),
    /// The stored checkpoint is none.
    #[error("the stored checkpoint cannot be read: {0}")]
    Note(#[from] medusa_tlog::NoteError),
}

/// What a witness answers, when it is no refusal.
enum Answer {
    Lines(String),
    Knows(i64),
}

/// Keeps asking each of these witnesses.
///
/// # Errors
/// When two have the same name, or this machine has no certificates to check an `https` witness by.
pub(crate) fn ask_regularly(
    auditor: &Auditor,
    witnesses: &[WitnessAddress],
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for witness in witnesses {
        let name = witness.key.name();
        ensure!(names.insert(name), "two witnesses have the name {name}; leave one out");
        let asker = Asker::new(auditor.clone(), witness.clone());
        let asker = Arc::new(asker.with_context(|| format!("could not ask the witness {name}"))?);
        supervise("log.witness", stop.clone(), move || Arc::clone(&asker).run());
    }
    Ok(())
}

struct Asker {
    auditor: Auditor,
    witness: WitnessAddress,
    http: Client,
}

impl Asker {
    fn new(auditor: Auditor, witness: WitnessAddress) -> reqwest::Result<Self> {
        let mut http = Client::builder()
            .user_agent(concat!("medusa-server/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if matches!(witness.url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            http = http.no_proxy();
        }
        // Without this a machine that has no certificates could not even use plain HTTP.
        if witness.url.scheme() == "http" {
            http = http.tls_certs_only([]);
        }
        Ok(Self { auditor, witness, http: http.build()? })
    }

    async fn run(self: Arc<Self>) -> Result<(), Infallible> {
        let witness = self.witness.key.name();
        let mut newest = self.auditor.newest_size();
        newest.mark_changed();
        let (mut told, mut pause) = (String::new(), PAUSE);
        while newest.changed().await.is_ok() {
            let Err(trouble) = self.ask().await else {
                if !told.is_empty() {
                    tracing::info!(witness, "the witness signs again");
                }
                (told, pause) = (String::new(), PAUSE);
                continue;
            };
            let trouble = trouble.to_string();
            // The same trouble is told once, however often it is met.
            if trouble != told {
                tracing::warn!(witness, trouble, "a checkpoint is not cosigned; trying on");
                told = trouble;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
            newest.mark_changed();
        }
        Ok(())
    }

    /// Has the newest checkpoint signed, unless that was done.
    async fn ask(&self) -> Result<(), Trouble> {
        let Some(signed) = self.auditor.newest().await?.filter(|signed| signed.size > 0) else {
            return Ok(());
        };
        let mut known = self.auditor.cosigned_size(self.witness.key.name()).await?;
        if known >= signed.size {
            return Ok(());
        }
        for _ in 0..TRIES {
            match self.send(&signed, known).await? {
                Answer::Lines(lines) => {
                    self.auditor.add_cosignature(&signed, &self.witness.key, &lines).await?;
                    return Ok(());
                }
                Answer::Knows(size) if size > signed.size => {
                    return Err(Trouble::Ahead { known: size, size: signed.size });
                }
                Answer::Knows(size) => known = size,
            }
        }
        Err(Trouble::Unsteady)
    }

    async fn send(&self, signed: &SignedHead, known: i64) -> Result<Answer, Trouble> {
        let path = match known {
            0 => Vec::new(),
            _ => self.auditor.consistency(known, Some(signed.size)).await?.path,
        };
        let proof = path.iter().map(|hash| hash.0).collect();
        let old = u64::try_from(known).unwrap_or_default();
        let body = AddCheckpoint { old, proof, note: Note::parse(&signed.note)? }.to_string();
        let request = self.http.post(self.witness.url.clone()).body(body);
        let answer = request.send().await.map_err(silent)?;
        let status = answer.status();
        let media_type = answer.headers().get(CONTENT_TYPE);
        let is_size = media_type.is_some_and(|value| value.as_bytes() == SIZE_TYPE.as_bytes());
        let text = read(answer).await?;
        let size = || text.strip_suffix('\n')?.parse().ok().filter(|size| *size >= 0);
        match status {
            StatusCode::OK => Ok(Answer::Lines(text)),
            StatusCode::CONFLICT if is_size && let Some(size) = size() => Ok(Answer::Knows(size)),
            _ => Err(Trouble::Refused { status: status.as_u16(), words: words(&text) }),
        }
    }
}

fn silent(error: reqwest::Error) -> Trouble {
    Trouble::Silent(error.without_url())
}

async fn read(mut answer: reqwest::Response) -> Result<String, Trouble> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(silent)? {
        if body.len().saturating_add(part.len()) > ANSWER_BYTES_MAX {
            return Err(Trouble::TooLong);
        }
        body.extend_from_slice(&part);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The beginning of an answer, on one line.
fn words(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WORDS_MAX).collect()
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
