//! A Postgres of one test that keeps what it has confirmed, and may be killed.

use std::fs;
use std::time::{Duration, Instant};

use medusa_platform::embedded::{Postgres, PostgresConfig};
use medusa_testkit::TestDb;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use sqlx::postgres::PgPoolOptions;

use super::process::Folder;

/// How long killed processes may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A cluster on disk with fsync.
pub(crate) struct Cluster {
    server: Option<Postgres>,
    config: PostgresConfig,
    _folder: Folder,
}

impl Cluster {
    /// Makes one and starts it.
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let config = PostgresConfig {
            data_dir: folder.path().join("pg"),
            socket_dir: folder.path().join("run"),
            log: folder.path().join("postgres.log"),
            durable: true,
            bin: None,
        };
        let server = Some(Postgres::start(&config).unwrap());
        Self { server, config, _folder: folder }
    }

    /// Its database, empty. Connections that a kill has cut are replaced.
    pub(crate) async fn database(&self) -> TestDb {
        let url = self.server.as_ref().expect("the cluster runs").url();
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap();
        TestDb { url, pool, redis_url: String::new(), redis_prefix: String::new() }
    }

    /// Ends all its processes with SIGKILL at the same moment.
    pub(crate) fn kill9(&mut self) {
        let postmaster = Pid::from_raw(self.server.take().expect("the cluster runs").pid());
        // One that is stopped starts no more children.
        kill(postmaster, Signal::SIGSTOP).unwrap();
        let children = children(postmaster);
        for pid in children.iter().chain([&postmaster]) {
            // It may have ended in this moment.
            kill(*pid, Signal::SIGKILL).ok();
        }
        waitpid(postmaster, None).unwrap();
        let began = Instant::now();
        while children.iter().any(|pid| state(*pid).is_some_and(|(state, _)| state != "Z")) {
            assert!(began.elapsed() < END_LIMIT, "Postgres outlived SIGKILL");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts it again after [`Cluster::kill9`] and waits until it has recovered.
    pub(crate) fn restart(&mut self) {
        assert!(self.server.is_none(), "the cluster still runs");
        self.server = Some(Postgres::start(&self.config).unwrap());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // When the test has failed already, that is what counts.
        let erased = Postgres::erase(&self.config);
        assert!(erased.is_ok() || std::thread::panicking(), "{erased:?}");
    }
}

/// The processes that this one has started.
fn children(parent: Pid) -> Vec<Pid> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let number = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some(Pid::from_raw(number))
    });
    pids.filter(|pid| state(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// What a process does, as a letter, and who started it; nothing once it is gone.
fn state(pid: Pid) -> Option<(String, Pid)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    Some((words.next()?.to_owned(), Pid::from_raw(words.next()?.parse().ok()?)))
}
