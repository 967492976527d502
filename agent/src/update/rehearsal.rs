//! The new program has to show that it works here, before it takes the old one's place. The old
//! one starts it as `NEW rehearse [--linked] -- ARGUMENTS`, and believes its exit code alone. This
//! is a promise between versions: a later one must still understand it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::manifest::Version;
use crate::config::Config;
use crate::doctor;
use crate::logs::Logs;
use crate::runner::Agent;
use crate::state::View;

/// How long it may take to reach the server.
const LINK_MAX: Duration = Duration::from_secs(45);
/// How much of what it said is told.
const WORDS_CHARS_MAX: usize = 400;
/// A file that was just written may still be held by a process that is being started.
const BUSY: Duration = Duration::from_millis(100);
const BUSY_TRIES: u32 = 20;

/// Whether the new program is the version that was signed, and works. The error says what it said.
pub(super) async fn passed(
    program: &Path,
    version: Version,
    args: &[OsString],
    linked: bool,
    most: Duration,
) -> Result<(), String> {
    let said = run(program, &["--version".into()], most).await?;
    let said = String::from_utf8_lossy(&said.stdout);
    if said.trim() != format!("medusa-agent {version}") {
        return Err(format!("it says that it is {:?}", said.trim()));
    }
    let mut words: Vec<OsString> = vec!["rehearse".into()];
    words.extend(linked.then(|| "--linked".into()));
    words.push("--".into());
    words.extend(args.iter().cloned());
    run(program, &words, most).await.map(drop)
}

/// Runs it to its end, which has to be a success.
async fn run(program: &Path, args: &[OsString], most: Duration) -> Result<Output, String> {
    let output = timeout(most, output(program, args)).await;
    let output = output.map_err(|_| format!("it took longer than {} s", most.as_secs()))?;
    let output = output.map_err(|error| format!("it does not start: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let skipped = said.chars().count().saturating_sub(WORDS_CHARS_MAX);
    let last: String = said.chars().skip(skipped).collect();
    Err(format!("{}; {}", output.status, last.trim()))
}

async fn output(program: &Path, args: &[OsString]) -> std::io::Result<Output> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let mut tries = 0;
    loop {
        match command.output().await {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                if tries == BUSY_TRIES {
                    return Err(error);
                }
                tries = tries.saturating_add(1);
                sleep(BUSY).await;
            }
            done => return done,
        }
    }
}

/// Runs this program once to see that it works: a guest, its page, and the link if `linked`. It
/// takes no work.
///
/// # Errors
/// Says what does not work.
pub(crate) async fn rehearse(mut config: Config, linked: bool) -> anyhow::Result<()> {
    config.rehearses = true;
    config.port = 0;
    config.measure_after = None;
    doctor::worker(&config).await.map_err(anyhow::Error::msg)?;
    let mut agent = Agent::start(config, Logs::default())?;
    let page = agent.page().to_owned();
    let mut views = agent.watch();
    let shown = async {
        doctor::page(&page).await.map_err(anyhow::Error::msg)?;
        if linked {
            views.wait_for(View::is_connected).await?;
        }
        anyhow::Ok(())
    };
    let done = tokio::select! {
        why = agent.failed() => Err(anyhow::anyhow!(why)),
        done = timeout(LINK_MAX, shown) => match done {
            Ok(done) => done,
            Err(_) => Err(anyhow::anyhow!("the server was not reached")),
        },
    };
    agent.stop().await;
    done
}
