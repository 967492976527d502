//! The launcher's folder: what is where, and the lock that keeps a second launcher out.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use medusa_platform::embedded::{Postgres, PostgresConfig, Redis, RedisConfig};

/// Ports that are tried, from the first wish on.
const PORTS_TRIED: u16 = 50;
/// How long the port of the last run is waited for: its server may still be about to end.
const PORT_PATIENCE: Duration = Duration::from_secs(3);
/// What a reset leaves: the lock that is held, and programs that would only be fetched again.
const KEPT: [&str; 2] = ["lock", "tools"];

/// The folder, for as long as this launcher has it alone.
pub(super) struct Home {
    root: PathBuf,
    /// The root of the checkout: programs, examples.
    pub(super) checkout: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes the folder: `MEDUSA_HOME`, or `.medusa` in the checkout.
    pub(super) fn take(wished: Option<&Path>) -> Result<Self> {
        let checkout = checkout()?;
        let root = wished.map_or_else(|| checkout.join(".medusa"), Path::to_owned);
        let root = std::path::absolute(&root)?;
        fs::create_dir_all(&root).with_context(|| format!("could not make {}", root.display()))?;
        let path = root.join("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let who = fs::read_to_string(&path).unwrap_or_default();
                bail!(
                    "another `./dev up` runs here already (process {}); stop it first",
                    who.trim()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).context("could not lock"),
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { root, checkout, _lock: lock })
    }

    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A folder in it that only its owner can look into.
    pub(super) fn private_dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("could not make {}", path.display()))?;
        Ok(path)
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
        let fresh = path.with_extension("new");
        // The mode counts only for a file that is made here.
        fs::remove_file(&fresh).ok();
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        fs::rename(&fresh, path).with_context(|| format!("could not write {}", path.display()))
    }

    pub(super) fn postgres(&self) -> PostgresConfig {
        PostgresConfig {
            data_dir: self.path("pg"),
            socket_dir: self.path("run"),
            log: self.path("log/postgres.log"),
            durable: true,
            bin: None,
        }
    }

    pub(super) fn redis(&self) -> RedisConfig {
        RedisConfig { socket_dir: self.path("run"), log: self.path("log/redis.log") }
    }

    /// Stops what still runs from an earlier start and removes everything.
    pub(super) fn reset(&self) -> Result<()> {
        Redis::end(&self.redis())?;
        Postgres::erase(&self.postgres())?;
        for entry in fs::read_dir(&self.root)?.flatten() {
            if KEPT.iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            let path = entry.path();
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("could not remove {}", path.display()))?;
        }
        Ok(())
    }

    /// The port for the website: the wished one, the one of the last run, or the next free one.
    pub(super) fn port(&self, wished: u16) -> Result<Port> {
        let file = self.path("port");
        let last = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        if let Some(last) = last
            && let Some(port) = Port::claim(last).filter(|_| is_free_soon(last))
        {
            return Ok(port);
        }
        let mut range = wished..=wished.saturating_add(PORTS_TRIED);
        let found = range.find_map(|port| Port::claim(port).filter(|_| is_free(port)));
        let port = found.with_context(|| format!("no port is free from {wished} on"))?;
        fs::write(&file, port.number.to_string())?;
        Ok(port)
    }
}

/// A port that no other launcher of this machine chooses meanwhile: between the choice and the
/// server's first breath it is free for everybody.
pub(super) struct Port {
    pub(super) number: u16,
    _claim: File,
}

impl Port {
    fn claim(number: u16) -> Option<Self> {
        let path = std::env::temp_dir().join(format!("medusa-port-{number}"));
        let new = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        // Another person's file cannot be written, but it can be locked.
        let file = new.or_else(|_| File::open(&path)).ok()?;
        file.try_lock().ok()?;
        Some(Self { number, _claim: file })
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn is_free_soon(port: u16) -> bool {
    let began = Instant::now();
    while began.elapsed() < PORT_PATIENCE {
        if is_free(port) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// The nearest folder above this program or the current folder that has the examples.
fn checkout() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let program = std::env::current_exe()?;
    here.ancestors()
        .chain(program.ancestors())
        .find(|folder| folder.join("examples/cells/job.json").is_file())
        .map(Path::to_owned)
        .context("start it in the checkout: there is no examples/cells here")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let id = std::process::id();
            Self(std::env::temp_dir().join(format!("medusa-home-{name}-{id}")))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_second_launcher_is_told_who_has_the_folder() {
        let scratch = Scratch::new("lock");
        let first = Home::take(Some(&scratch.0)).unwrap();
        let refused = Home::take(Some(&scratch.0)).err().unwrap().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(Home::take(Some(&scratch.0)).is_ok());
    }

    #[test]
    fn a_taken_port_goes_on_and_the_chosen_one_is_remembered() {
        let scratch = Scratch::new("port");
        let home = Home::take(Some(&scratch.0)).unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = taken.local_addr().unwrap().port();
        let chosen = home.port(wished).unwrap().number;
        assert_ne!(chosen, wished);
        drop(taken);
        assert_eq!(home.port(wished).unwrap().number, chosen);
    }

    #[test]
    fn a_reset_removes_everything_but_the_lock() {
        let scratch = Scratch::new("reset");
        let home = Home::take(Some(&scratch.0)).unwrap();
        Home::write_private(&home.path("demo.json"), b"{}").unwrap();
        fs::write(home.private_dir("agents/1").unwrap().join("identity.json"), b"{}").unwrap();
        home.reset().unwrap();
        let left = fs::read_dir(&scratch.0).unwrap().flatten().map(|entry| entry.file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["lock"]);
    }

    #[test]
    fn secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new("mode");
        let home = Home::take(Some(&scratch.0)).unwrap();
        let path = home.path("demo.json");
        Home::write_private(&path, b"one").unwrap();
        Home::write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
