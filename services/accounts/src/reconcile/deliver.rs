//! Delivers notices: takes what is due, tries it, and notes what became of it. A process that ends
//! in the middle leaves its deliveries due again a little later; a receiver knows a repetition by
//! the header `webhook-id`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use medusa_eventlog::{Progress, project};
use medusa_platform::supervise::supervise;
use medusa_types::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};
use tokio_util::sync::CancellationToken;

use crate::domain::{TargetRefused, is_public, next_try, signature, target};
use crate::projection::notices::Notices;
use crate::store::notices::{self, Due, Target};
use crate::{Accounts, AccountsError};

/// Between two looks for what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Deliveries at a time.
const AT_ONCE: i64 = 32;
/// A try takes at most so long; after twice that somebody else may try.
const TRY_MAX: Duration = Duration::from_secs(15);
const TAKEN_MS: i64 = 30_000;
/// Delivered notices are shown for so long.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Between two times that old notices are forgotten.
const SWEEP_MS: i64 = 3_600_000;

/// Puts on the way what the log says, and delivers it, until `stop`.
pub fn deliver_regularly(accounts: &Accounts, stop: CancellationToken) {
    let (log, clock) = (accounts.0.log.clone(), accounts.0.clock.clone());
    supervise("accounts.notices", stop.clone(), move || {
        project(log.clone(), Arc::new(Notices(clock.clone())), Progress::default())
    });
    let accounts = accounts.clone();
    supervise("accounts.deliver", stop, move || deliver_for_ever(accounts.clone()));
}

async fn deliver_for_ever(accounts: Accounts) -> Result<(), AccountsError> {
    let client = client(accounts.0.private_targets)?;
    let mut swept = Timestamp::from_micros(0);
    loop {
        let now = accounts.0.clock.now();
        if now.ms_since(swept) > SWEEP_MS {
            let mut db = accounts.0.pool.acquire().await?;
            notices::sweep(&mut db, now.plus_ms(KEPT_MS.saturating_neg())).await?;
            swept = now;
        }
        if accounts.deliver(&client).await? == 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Follows no redirect, uses no proxy, and connects only to where it may.
fn client(private: bool) -> Result<Client, AccountsError> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(TRY_MAX)
        .user_agent("Medusa")
        .dns_resolver(PublicOnly { private })
        .build()
        .map_err(AccountsError::Client)
}

/// Looks names up, and answers only with addresses that deliveries may go to: what a name leads to
/// is checked where it is used, so that it cannot change in between.
struct PublicOnly {
    private: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !private && all.iter().any(|address| !is_public(address.ip())) {
                return Err(TargetRefused::Private.into());
            }
            let addresses: Addrs = Box::new(all.into_iter());
            Ok(addresses)
        })
    }
}

/// What became of a try.
struct Tried {
    arrived: bool,
    /// Trying again is of no use.
    gone: bool,
    answer: String,
}

impl Accounts {
    /// Tries what is due once; answers how much that was.
    async fn deliver(&self, client: &Client) -> Result<usize, AccountsError> {
        let now = self.0.clock.now();
        let mut db = self.0.pool.acquire().await?;
        let due = notices::take_due(&mut db, AT_ONCE, (now, now.plus_ms(TAKEN_MS))).await?;
        drop(db);
        let count = due.len();
        let done = join_all(due.into_iter().map(|due| self.deliver_one(client, due))).await;
        done.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(count)
    }

    async fn deliver_one(&self, client: &Client, due: Due) -> Result<(), AccountsError> {
        let tried = match &due.target {
            Some(target) => self.post(client, &due, target).await,
            None => self.mail(&due).await?,
        };
        let now = self.0.clock.now();
        let again = if tried.arrived || tried.gone { None } else { next_try(due.tries, now) };
        let mut db = self.0.pool.acquire().await?;
        notices::note(&mut db, due.id, (tried.arrived, &tried.answer), (now, again)).await?;
        if let Some(target) = &due.target {
            let stop = !tried.arrived && again.is_none();
            notices::tried(&mut db, target.webhook, tried.arrived, (now, stop)).await?;
        }
        Ok(())
    }

    async fn post(&self, client: &Client, due: &Due, to: &Target) -> Tried {
        let url = match target(&to.url, self.0.private_targets) {
            Ok(url) => url,
            Err(error) => return Tried { arrived: false, gone: true, answer: error.to_string() },
        };
        let seconds = self.0.clock.now().to_utc().unix_timestamp();
        let sent = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", due.id.to_string())
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature(&to.secret, due.id, seconds, &due.body))
            .body(due.body.clone())
            .send()
            .await;
        match sent {
            // Whatever else it says is not read.
            Ok(answer) => Tried {
                arrived: answer.status().is_success(),
                gone: answer.status() == reqwest::StatusCode::GONE,
                answer: format!("HTTP {}", answer.status().as_u16()),
            },
            Err(error) => Tried { arrived: false, gone: false, answer: why(&error) },
        }
    }

    async fn mail(&self, due: &Due) -> Result<Tried, AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        let Some(address) = notices::mail_address(&mut db, due.owner).await? else {
            return Ok(Tried { arrived: false, gone: true, answer: "no address".into() });
        };
        drop(db);
        let (subject, text) = self.letter(due);
        Ok(match self.0.mailer.send(&address, subject, text).await {
            Ok(()) => Tried { arrived: true, gone: false, answer: "handed over".into() },
            Err(error) => {
                tracing::warn!(%error, notice = %due.id, "a mail was not handed over");
                Tried { arrived: false, gone: false, answer: "not handed over".into() }
            }
        })
    }

    fn letter(&self, due: &Due) -> (&'static str, String) {
        let (subject, first) = match due.kind.as_str() {
            "job.done" => ("Your job is done", "Your job is done. Its results are here:"),
            "job.failed" => {
                ("Your job has failed", "Your job has failed. Why, and what came back, is here:")
            }
            _ => ("Your job was stopped", "Your job was stopped. What came back is here:"),
        };
        let body: serde_json::Value = serde_json::from_str(&due.body).unwrap_or_default();
        let job = body.pointer("/data/job").and_then(|job| job.as_str()).unwrap_or_default();
        let site = &self.0.public_url;
        let text = format!(
            "{first}\n{site}/app/jobs/{job}\n\n\
             You get this mail because you have a job at Medusa. To get none: {site}/app/notices\n"
        );
        (subject, text)
    }
}

/// In few words, without the address: its owner knows it.
fn why(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.is_timeout() { "no answer within 15 s".into() } else { deepest.to_string() }
}
