//! Where updates come from, whom they have to be signed by, and when somebody looks.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::manifest::{self, Release, Version};
use super::{Fresh, UpdateError, fetch, folder, is_automatic, probation};
use crate::backoff::Backoff;
use crate::board::Board;
use crate::config::{Config, UpdateArgs, server_address};
use crate::pipe::Pipes;
use crate::server::{CallError, Server};
use crate::settings::Settings;
use crate::{chance, disk};

/// The key and the place that a release is built with.
const KEY: Option<&str> = option_env!("MEDUSA_UPDATE_KEY");
const ADDRESS: Option<&str> = option_env!("MEDUSA_UPDATE_FROM");
/// Between two looks, and how much later one may be, so that not all machines look at once.
const EACH: Duration = Duration::from_secs(6 * 3_600);
const LATER: Duration = Duration::from_secs(3_600);
/// How often something is asked for before it is given up.
const TRIES_MAX: u32 = 4;
/// How long a rehearsal may take.
const REHEARSAL_MAX: Duration = Duration::from_secs(60);
/// How soon an agent that runs hears of its owner's wish.
const HEARS: Duration = Duration::from_secs(5);

/// A place that offers updates, and the key that they are signed with.
#[derive(Clone)]
pub(crate) struct Source {
    server: Server,
    key: VerifyingKey,
    own: Version,
}

impl Source {
    /// What this build trusts, and where it looks. What it loads keeps within the limit that the
    /// lender has set.
    ///
    /// # Errors
    /// [`UpdateError`] when it trusts nobody, or does not know where to look.
    pub(crate) fn new(config: &Config) -> Result<Self, UpdateError> {
        let args = &config.updates;
        let key = key(args).ok_or(UpdateError::NoKey)?;
        let address = args.update_from.as_deref().or(ADDRESS).ok_or(UpdateError::NoAddress)?;
        let address = server_address(address).map_err(|error| UpdateError::Call(error.to_string()));
        let server = Server::trusting(&address?, config.ca.as_deref())?;
        let limits = Settings::load(&config.data);
        server.pipes().limit(limits.down_mb_s, limits.up_mb_s);
        Ok(Self { server, key, own: Version::own() })
    }

    /// The same, within the limits of an agent that runs, together with its other transfers.
    fn through(self, pipes: Arc<Pipes>) -> Self {
        Self { server: self.server.through(pipes), ..self }
    }

    /// What is offered, if it is newer.
    pub(super) async fn release(&self) -> Result<Option<Release>, UpdateError> {
        let list = self.get("/agent.json", None).await?;
        let signature = self.get("/agent.json.sig", None).await?;
        Ok(manifest::newer(&list, &signature, &self.key, self.own, &manifest::target())?)
    }

    /// The program that is offered, not checked yet.
    pub(super) async fn program(&self, release: &Release) -> Result<Bytes, UpdateError> {
        Ok(self.get(&format!("/{}", release.path), Some(release.bytes)).await?)
    }

    /// A file of this size, or a small one; again when a failure may pass by itself.
    async fn get(&self, path: &str, bytes: Option<u64>) -> Result<Bytes, CallError> {
        let mut backoff = Backoff::default();
        let mut tries = 1;
        loop {
            let got = match bytes {
                Some(bytes) => self.server.file(path, bytes).await,
                None => self.server.small(path).await,
            };
            match got {
                Err(error) if error.may_pass() && tries < TRIES_MAX => sleep(backoff.next()).await,
                done => return done,
            }
            tries = tries.saturating_add(1);
        }
    }
}

/// Whether this build trusts somebody and knows where to look.
pub(crate) fn is_possible(config: &Config) -> bool {
    let address = config.updates.update_from.as_deref().or(ADDRESS);
    key(&config.updates).is_some() && address.is_some()
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({})", self.server.base())
    }
}

/// The key in hexadecimal digits. Only a build for tests takes another than its own.
fn key(args: &UpdateArgs) -> Option<VerifyingKey> {
    #[cfg(debug_assertions)]
    let text = args.update_key.as_deref().or(KEY);
    #[cfg(not(debug_assertions))]
    let (text, _) = (KEY, args);
    let text = text?;
    let mut bytes = [0; 32];
    let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).ok());
    let mut read = digits.map(|two| u8::from_str_radix(two?, 16).ok());
    for byte in &mut bytes {
        *byte = read.next()??;
    }
    if read.next().is_some() {
        return None;
    }
    VerifyingKey::from_bytes(&bytes).ok()
}

/// How long a rehearsal may take.
pub(super) fn rehearsal_max(args: &UpdateArgs) -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = args.rehearsal_s {
        return Duration::from_secs(seconds);
    }
    let _ = args;
    REHEARSAL_MAX
}

fn each(args: &UpdateArgs) -> Duration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = args.update_each_s {
        return Duration::from_secs(seconds);
    }
    let _ = args;
    EACH.saturating_add(chance::up_to(LATER))
}

/// A newer program that lies ready, and whether the server was reached before.
pub(crate) type Asked = (Fresh, bool);

/// Asks the agent that runs with this data directory to update itself now.
///
/// # Errors
/// When the wish cannot be written down.
pub(crate) fn ask(data: &Path) -> std::io::Result<()> {
    disk::make_private_dir(&folder(data))?;
    disk::write(&folder(data).join("asked"), b"")
}

/// Looks when it is time and the switch is on, and when the owner asks. What is ready is sent once.
pub(crate) async fn keep(
    board: Arc<Board>,
    config: Config,
    pipes: Arc<Pipes>,
    ready: mpsc::Sender<Asked>,
) {
    let mut last = Instant::now();
    let mut wait = each(&config.updates);
    loop {
        let is_asked = fs::remove_file(folder(&config.data).join("asked")).is_ok();
        let is_time = last.elapsed() >= wait && is_automatic(&config.data);
        if is_asked || is_time {
            (last, wait) = (Instant::now(), each(&config.updates));
            match find(&config, Arc::clone(&pipes), is_asked).await {
                Ok(Some(fresh)) => {
                    tracing::info!("version {} will be put in place", fresh.version());
                    let is_linked = board.is_connected();
                    // Whoever runs the agent takes it, and ends the agent then.
                    drop(ready.send((fresh, is_linked)).await);
                }
                Ok(None) => tracing::info!("this is the newest version"),
                Err(error) => tracing::warn!(%error, "no update"),
            }
        }
        sleep(HEARS.min(wait)).await;
    }
}

async fn find(
    config: &Config,
    pipes: Arc<Pipes>,
    is_asked: bool,
) -> Result<Option<Fresh>, UpdateError> {
    let source = Source::new(config)?.through(pipes);
    let release = source.release().await?;
    let refused = release.filter(|release| probation::is_refused(&config.data, release.sha256));
    match refused {
        Some(release) if !is_asked => Err(UpdateError::Refused(release.version.to_string())),
        _ => fetch(&source, config).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunArgs;

    fn args(key: &str) -> UpdateArgs {
        UpdateArgs { update_key: Some(key.to_owned()), ..UpdateArgs::default() }
    }

    #[test]
    fn a_key_has_64_digits() {
        let good = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
        let text: String = good.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(key(&args(&text)), Some(good));
        let short = text.get(2..).unwrap();
        for bad in ["", "0", short, &format!("{text}00"), &format!("g0{short}")] {
            assert_eq!(key(&args(bad)), None, "{bad}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_the_build_says_so() {
        let bare = Source::new(&RunArgs::default().resolve().unwrap());
        if KEY.is_none() {
            assert!(matches!(bare, Err(UpdateError::NoKey)));
        }
    }
}
