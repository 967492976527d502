//! `doctor`: looks at everything that lending needs on this machine, and says what to do about what
//! is missing. It changes nothing; a program that it tried stays among the compiled ones.

mod lending;
mod server;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use medusa_sandbox::{Modules, Purpose, Slots, Task};
use medusa_types::{Limits, Outcome, Sha256Hash};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::install::{self, Places, autostart};
use crate::os::{self, Sensors};
use crate::rules::{self, Lent, Memory, Readings, Verdict};
use crate::settings::Settings;
use crate::update::{self, Source};
use crate::{chance, disk};

/// How long the page may take to answer.
const PAGE_MAX: Duration = Duration::from_secs(5);
/// What the load of the machine is measured over.
const LOOK: Duration = Duration::from_millis(1_200);
/// A program that does nothing: one function, exported as `_start`.
const NOTHING: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\
    \x0a\x04\x01\x02\0\x0b";

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// As it should be.
    Ok,
    /// It works, but could be better.
    Warn,
    /// Lending does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What.
    pub(crate) what: &'static str,
    /// How it is.
    pub(crate) mark: Mark,
    /// The same in words.
    pub(crate) words: String,
    /// What to do about it, unless it is fine.
    pub(crate) remedy: Option<String>,
}

impl Check {
    fn ok(what: &'static str, words: impl Into<String>) -> Self {
        Self { what, mark: Mark::Ok, words: words.into(), remedy: None }
    }

    fn warn(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, mark: Mark::Warn, words: words.into(), remedy: Some(remedy.into()) }
    }

    fn fail(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, mark: Mark::Fail, words: words.into(), remedy: Some(remedy.into()) }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Ok => "ok",
            Mark::Warn => "warn",
            Mark::Fail => "fail",
        };
        write!(f, "{mark:<4}  {:<10}  {}", self.what, self.words)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n{:<18}{remedy}", ""),
            None => Ok(()),
        }
    }
}

/// Looks at everything.
pub(crate) async fn examine(config: &Config, places: &Places) -> Vec<Check> {
    // A machine that has no agent yet stays one.
    let is_new = !config.data.exists();
    let mut bench = config.clone();
    if is_new {
        bench.data = std::env::temp_dir().join(format!("medusa-agent-{}", chance::secret()));
    }
    let mut checks = vec![data(&config.data), settings(&config.data)];
    let readings = readings(config).await;
    checks.push(free_disk(config, &readings));
    let (of_server, about) = server::look(config).await;
    checks.extend(of_server);
    checks.push(local_page(config).await);
    let verdict = verdict(config, &readings);
    checks.push(lending::look(config, &verdict, about.as_ref()));
    checks.push(match worker(&bench).await {
        Ok(words) => Check::ok("worker", words),
        Err(why) => Check::fail(
            "worker",
            why,
            "programs cannot run here: is the data directory on a disk that may hold programs?",
        ),
    });
    checks.push(walls(&bench).await);
    checks.push(sensors(&verdict));
    if is_new {
        // Only what was compiled now is in it.
        drop(std::fs::remove_dir_all(&bench.data));
    }
    checks.push(if autostart::is_on(places) {
        Check::ok("autostart", "it starts with you")
    } else {
        let words = if autostart::would_work(places) {
            "off: `medusa-agent autostart on` turns it on"
        } else {
            "off: `medusa-agent install` turns it on, once there is a server to start with"
        };
        Check::ok("autostart", words)
    });
    checks.push(updates(config));
    checks
}

fn data(data: &Path) -> Check {
    let what = "data";
    let shown = data.display();
    if !data.exists() {
        return Check::ok(what, format!("{shown} does not exist yet; the first start makes it"));
    }
    let private = ["", "identity.json", "signing.json", "settings.json", "state.json", "page.url"];
    let paths = private.iter().map(|name| data.join(name)).filter(|path| path.exists());
    for path in paths {
        match os::is_open_to_others(&path) {
            Ok(false) => {}
            Ok(true) => {
                let path = path.display();
                let remedy = format!("chmod go= {path}");
                return Check::warn(what, format!("others may read or change {path}"), remedy);
            }
            Err(error) => {
                let words = format!("{}: {error}", path.display());
                return Check::fail(what, words, "let it belong to the user of the agent");
            }
        }
    }
    let probe = data.join("doctor.part");
    let written = os::new_private_file(&probe).map(drop);
    // It is empty, and the next look would find it.
    drop(std::fs::remove_file(&probe));
    match written {
        Ok(()) => Check::ok(what, shown.to_string()),
        Err(error) => Check::fail(
            what,
            format!("{shown} cannot be written: {error}"),
            "let it belong to the user of the agent, and see whether the disk is full",
        ),
    }
}

fn settings(data: &Path) -> Check {
    let what = "limits";
    match disk::read(&Settings::file(data)) {
        Ok(None) => Check::ok(what, "the usual ones"),
        Ok(Some(content)) => match serde_json::from_slice::<Settings>(&content) {
            Ok(_) => Check::ok(what, "as they were set"),
            Err(error) => Check::warn(
                what,
                format!("settings.json is damaged, so the usual ones hold: {error}"),
                "set them again on the agent's page: `medusa-agent page`",
            ),
        },
        Err(error) => Check::fail(what, error.to_string(), "let it belong to the user"),
    }
}

async fn readings(config: &Config) -> Readings {
    // Before the first start its disk is that of the folder that it will be made in.
    let place = config.data.ancestors().find(|folder| folder.exists()).unwrap_or(&config.data);
    let mut sensors = Sensors::new(config.root.clone(), place.to_owned());
    let limits = Settings::load(&config.data);
    sensors.read(&limits).await;
    // The load needs a stretch of time, and commands some time to answer.
    sleep(LOOK).await;
    sensors.read(&limits).await
}

fn free_disk(config: &Config, readings: &Readings) -> Check {
    let what = "disk";
    let least = u64::from(Settings::load(&config.data).disk_free_gb).saturating_mul(1_000);
    match readings.disk_free_mb {
        Some(free) if free < least => Check::fail(
            what,
            format!("{free} MB are free, and the limits ask for {least}"),
            "make room, or lower the limit on the agent's page: `medusa-agent page`",
        ),
        Some(free) => Check::ok(what, format!("{free} MB are free")),
        None => Check::warn(
            what,
            "it is not known how much is free",
            "the rule about free disk does not work here",
        ),
    }
}

async fn local_page(config: &Config) -> Check {
    let what = "page";
    if install::is_running(&config.data) {
        let link = std::fs::read_to_string(config.data.join("page.url")).unwrap_or_default();
        return match page(link.trim()).await {
            Ok(()) => Check::ok(what, "an agent runs, and its page answers"),
            Err(why) => Check::fail(what, why, "end the agent, and start it again"),
        };
    }
    match std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, config.port)) {
        Ok(_) => Check::ok(what, format!("no agent runs; port {} is free", config.port)),
        Err(error) => Check::warn(
            what,
            format!("port {} is not free: {error}", config.port),
            "nothing to do: the agent takes the next free one, and `medusa-agent page` tells it",
        ),
    }
}

/// Whether the page at this link answers.
pub(crate) async fn page(link: &str) -> Result<(), String> {
    let host = link.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let host = host.ok_or("the page's address is not known")?;
    let ask = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start)
    };
    match timeout(PAGE_MAX, ask).await {
        Ok(Ok(start)) if &start == b"HTTP/1.1 200" => Ok(()),
        Ok(Ok(_)) => Err("the page does not answer as it should".into()),
        Ok(Err(error)) => Err(format!("the page does not answer: {error}")),
        Err(_) => Err("the page does not answer".into()),
    }
}

fn modules(config: &Config) -> Modules {
    Modules::new(config.data.join("code"), config.worker.clone(), config.worker_args.clone())
}

/// Compiles and runs a program that does nothing.
pub(crate) async fn worker(config: &Config) -> Result<String, String> {
    let in_words = |error: &dyn std::error::Error| {
        let mut words = error.to_string();
        let mut inner = error.source();
        while let Some(source) = inner {
            words = format!("{words}: {source}");
            inner = source.source();
        }
        words
    };
    disk::make_private_dir(&config.data).map_err(|error| in_words(&error))?;
    let (modules, slots) = (modules(config), Slots::new(1));
    let program = Sha256Hash::of(NOTHING);
    let made = modules.compiled(program, false, Bytes::from_static(NOTHING)).await;
    let made = made.map_err(|error| in_words(&error))?;
    let purpose = Purpose { job: "doctor".into(), program, strict: false };
    let mut slot = slots.take(&purpose).await.ok_or("the slots are closed")?;
    let report = slot.run(&modules, &made, purpose, nothing()).await;
    let report = report.map_err(|error| in_words(&error))?;
    match report.outcome {
        Outcome::Done => Ok("a program was compiled and run".into()),
        other => Err(format!("a program ended by {other:?}: {}", report.stderr)),
    }
}

fn nothing() -> Task {
    Task::empty(Limits {
        fuel: 1_000,
        memory_bytes: 1 << 20,
        output_bytes: 1 << 10,
        stderr_bytes: 1 << 10,
        wall_ms: 10_000,
    })
}

async fn walls(config: &Config) -> Check {
    let what = "walls";
    match modules(config).look_at_walls().await {
        Ok(walls) if walls.are_full() => Check::ok(what, "all of them stand around each program"),
        Ok(walls) => {
            let found = walls.in_words();
            let lacking = found.iter().filter(|(_, wall, _)| *wall != medusa_sandbox::Wall::Full);
            let words: Vec<String> =
                lacking.map(|(name, _, words)| format!("{name}: {words}")).collect();
            let remedy = "programs are still closed in by the sandbox; a newer system has more";
            Check::warn(what, words.join("; "), remedy)
        }
        Err(error) => Check::fail(what, error.to_string(), "see `worker` above"),
    }
}

/// What the limits of this machine say now.
fn verdict(config: &Config, readings: &Readings) -> Verdict {
    let lent = Lent { slots: config.slots, memory_mib: readings.memory_mib };
    let now = os::local(chance::unix_seconds());
    rules::decide(&Settings::load(&config.data), readings, lent, now, Memory::default()).0
}

fn sensors(verdict: &Verdict) -> Check {
    let what = "sensors";
    if verdict.unknown.is_empty() {
        return Check::ok(what, "every rule that is on can be judged");
    }
    let unknown: Vec<String> = verdict.unknown.iter().map(ToString::to_string).collect();
    Check::warn(
        what,
        format!("not known: {}", unknown.join("; ")),
        "these rules do not work on this machine",
    )
}

fn updates(config: &Config) -> Check {
    let what = "updates";
    match Source::new(config) {
        Err(error) => Check::ok(what, error.to_string()),
        Ok(_) if update::is_automatic(&config.data) => Check::ok(what, "by itself, when signed"),
        Ok(_) => Check::ok(what, "off: `medusa-agent update` looks once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn files_that_others_may_read_are_named() {
        let scratch = Scratch::new();
        let folder = scratch.path().join("data");
        assert_eq!(data(&folder).mark, Mark::Ok, "there is nothing yet");
        disk::make_private_dir(&folder).unwrap();
        assert_eq!(data(&folder).mark, Mark::Ok);
        let file = folder.join("identity.json");
        disk::write(&file, b"{}").unwrap();
        let has_rights_of_its_own = os::open_to_others(&file).unwrap();
        let found = data(&folder);
        if !has_rights_of_its_own {
            assert_eq!(found.mark, Mark::Ok, "its directory's count");
            return;
        }
        assert_eq!(found.mark, Mark::Warn);
        assert_eq!(found.remedy.unwrap(), format!("chmod go= {}", file.display()));
    }

    #[test]
    fn damaged_limits_are_told() {
        let scratch = Scratch::new();
        assert_eq!(settings(scratch.path()).mark, Mark::Ok);
        std::fs::write(Settings::file(scratch.path()), "{").unwrap();
        assert_eq!(settings(scratch.path()).mark, Mark::Warn);
    }

    #[test]
    fn a_remedy_stands_below_what_is_wrong() {
        let check = Check::warn("clock", "late", "set it").to_string();
        assert_eq!(check, "warn  clock       late\n                  set it");
    }
}
