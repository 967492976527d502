//! A private PostgreSQL cluster with one database and one user, both named `medusa`.
//!
//! It listens on a unix socket only and trusts whoever can enter the socket's private directory.
//! A cluster is made aside and renamed when it is complete, so that a start that was cut short
//! leaves nothing half-made.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::error::{EmbeddedError, on};
use super::place::{self, Account};
use super::process::{self, Process};
use super::program;

/// How long a start may take: recovery after a kill reads the log since the last checkpoint.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long each way to stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// The socket's name, which has the port in it; nothing listens on the network.
const SOCKET: &str = ".s.PGSQL.5432";

/// Where a cluster is and how careful it is.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// Its files.
    pub data_dir: PathBuf,
    /// Its socket.
    pub socket_dir: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// Whether what is committed survives a loss of power. Without, it is faster: for tests.
    pub durable: bool,
    /// The directory of its programs, if not the best one found.
    pub bin: Option<PathBuf>,
}

/// A running cluster. Dropping this leaves it running.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    socket_dir: PathBuf,
}

impl Postgres {
    /// Adopts the cluster that runs in this directory, or starts it, making it first if need be.
    ///
    /// # Errors
    /// [`EmbeddedError`] says what is missing or shows the end of the log.
    pub fn start(config: &PostgresConfig) -> Result<Self, EmbeddedError> {
        let account = Account::of(&config.data_dir)?;
        let home = place::data(&config.data_dir, account)?;
        let data = home.join("cluster");
        let pid_file = data.join("postmaster.pid");
        if let Some(found) = Self::adopt(&pid_file, &config.log) {
            return Ok(found);
        }
        let socket_dir = place::sockets(&config.socket_dir, account)?;
        process::living(&socket_dir.join(format!("{SOCKET}.lock")));
        let bin = program::postgres(config.bin.as_deref(), &data)?;
        if !data.exists() {
            create(&bin, &home, &data, account, &config.log)?;
        }
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(&socket_dir);
        for setting in settings(config.durable) {
            command.args(["-c", setting]);
        }
        let process = Process::spawn("postgres", command, account, &config.log)?;
        let mut started = Self { process, socket_dir };
        started.process.wait_ready(START_LIMIT, || is_ready(&pid_file))?;
        Ok(started)
    }

    /// The address of the database `medusa`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("medusa")
    }

    /// The address of another database of this cluster.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        let host = place::url_escaped(&self.socket_dir);
        format!("postgres://medusa@localhost:5432/{database}?host={host}")
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid.as_raw()
    }

    /// Whether it was alive already.
    #[must_use]
    pub fn adopted(&self) -> bool {
        self.process.adopted()
    }

    /// Stops it: connections are closed, open transactions rolled back.
    ///
    /// # Errors
    /// [`EmbeddedError::Slow`] if it does not end.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.process.stop(Signal::SIGINT, Signal::SIGQUIT, STOP_LIMIT)
    }

    /// Stops the cluster of this directory if it runs, and removes its files.
    ///
    /// # Errors
    /// When it does not end or a file cannot be removed.
    pub fn erase(config: &PostgresConfig) -> Result<(), EmbeddedError> {
        let home = place::existing_data(&config.data_dir)?;
        if let Some(found) = Self::adopt(&home.join("cluster/postmaster.pid"), &config.log) {
            found.stop()?;
        }
        place::erase(&config.data_dir)
    }

    /// The cluster that lives and answers, wherever its socket was put.
    fn adopt(pid_file: &Path, log: &Path) -> Option<Self> {
        let mut process = Process::adopt("postgres", pid_file, log)?;
        // It may be in the middle of its start or of its end.
        process.wait_ready(START_LIMIT, || is_ready(pid_file)).ok()?;
        // Another process under a stale number has no socket there.
        let socket_dir = PathBuf::from(line(pid_file, 5)?);
        UnixStream::connect(socket_dir.join(SOCKET)).ok()?;
        Some(Self { process, socket_dir })
    }
}

/// Makes a cluster and its database.
fn create(
    bin: &Path,
    home: &Path,
    data: &Path,
    account: Account,
    log: &Path,
) -> Result<(), EmbeddedError> {
    let aside = home.join(format!("cluster.new-{}", std::process::id()));
    for entry in fs::read_dir(home).map_err(on("list", home))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("cluster.new-") {
            // Left by a start that was killed; what cannot be removed is not in the way.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    account.private_dir(&aside)?;
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.arg("-D").arg(&aside);
    initdb.args(["-U", "medusa", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust"]);
    initdb.args(["--data-checksums", "--no-sync", "--no-instructions"]);
    process::run("initdb", initdb, Stdio::null(), account, log)?;

    let orders = home.join("create.sql");
    fs::write(&orders, "create database medusa\n").map_err(on("write", &orders))?;
    let input = File::open(&orders).map_err(on("open", &orders))?;
    let mut single = Command::new(bin.join("postgres"));
    single.args(["--single", "-D"]).arg(&aside).arg("postgres");
    process::run("postgres --single", single, input.into(), account, log)?;
    fs::rename(&aside, data).map_err(on("rename", &aside))
}

fn settings(durable: bool) -> Vec<&'static str> {
    let mut settings = vec![
        "listen_addresses=",
        "port=5432",
        "unix_socket_permissions=0700",
        "max_connections=200",
        "timezone=UTC",
        // Without it a start after a kill syncs every single file: half a minute on a busy disk.
        "recovery_init_sync_method=syncfs",
    ];
    if !durable {
        settings.extend(["fsync=off", "full_page_writes=off", "max_wal_size=256MB"]);
    }
    if cfg!(not(target_os = "linux")) {
        settings.retain(|s| !s.starts_with("recovery_init_sync_method"));
    }
    settings
}

/// Postgres keeps its state in the eighth line of its pid file.
fn is_ready(pid_file: &Path) -> bool {
    line(pid_file, 8).is_some_and(|state| state.trim() == "ready")
}

fn line(file: &Path, number: usize) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().nth(number.checked_sub(1)?).map(str::to_owned)
}
