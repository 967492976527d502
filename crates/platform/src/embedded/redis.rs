//! A private Redis (or Valkey) server. It keeps nothing on disk: what is in it can be rebuilt
//! from the log, and a start with an empty one is the same as the loss of one.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::error::EmbeddedError;
use super::place::{self, Account};
use super::process::Process;
use super::program;

/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long each way to stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer to PING may take.
const PING_LIMIT: Duration = Duration::from_millis(500);

/// Names in the socket directory.
const SOCKET: &str = "redis.sock";
const PID_FILE: &str = "redis.pid";

/// Where a server is.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Its socket and its pid file.
    pub socket_dir: PathBuf,
    /// Its log.
    pub log: PathBuf,
}

/// A running server. Dropping this leaves it running.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    socket: PathBuf,
}

impl Redis {
    /// Adopts the server that runs in this directory, or starts one.
    ///
    /// # Errors
    /// [`EmbeddedError`] says what is missing or shows the end of the log.
    pub fn start(config: &RedisConfig) -> Result<Self, EmbeddedError> {
        let account = Account::of(&config.socket_dir)?;
        let dir = place::sockets(&config.socket_dir, account)?;
        if let Some(found) = Self::adopt(&dir, &config.log) {
            return Ok(found);
        }
        let (socket, pid_file) = (dir.join(SOCKET), dir.join(PID_FILE));
        let mut command = Command::new(program::redis()?);
        command.args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"]).arg(&socket);
        command.arg("--pidfile").arg(&pid_file).arg("--dir").arg(&dir);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        let process = Process::spawn("redis", command, account, &config.log)?;
        let mut started = Self { process, socket };
        let socket = started.socket.clone();
        started.process.wait_ready(START_LIMIT, || answers(&socket))?;
        Ok(started)
    }

    /// Stops the server of this directory if it runs.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(config: &RedisConfig) -> Result<(), EmbeddedError> {
        let account = Account::of(&config.socket_dir)?;
        let dir = place::sockets(&config.socket_dir, account)?;
        Self::adopt(&dir, &config.log).map_or(Ok(()), Self::stop)
    }

    fn adopt(dir: &Path, log: &Path) -> Option<Self> {
        let process = Process::adopt("redis", &dir.join(PID_FILE), log)?;
        let socket = dir.join(SOCKET);
        answers(&socket).then_some(Self { process, socket })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}?protocol=resp3", place::url_escaped(&self.socket))
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

    /// Stops it.
    ///
    /// # Errors
    /// [`EmbeddedError::Slow`] if it does not end.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.process.stop(Signal::SIGTERM, Signal::SIGKILL, STOP_LIMIT)
    }
}

fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PING_LIMIT))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0_u8; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}
