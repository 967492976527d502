//! The servers of a test run, found or started under a file lock, and a Redis for one test alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use medusa_platform::embedded::{Postgres, PostgresConfig, Redis, RedisConfig};
use medusa_types::Sha256Hash;
use nix::sys::statvfs::statvfs;

/// Memory files are used where so much is free. A container often has 64 MiB there.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// The servers of this checkout's tests.
pub struct Servers {
    /// Its database `medusa` stays empty; the tests' own are beside it.
    pub postgres: Postgres,
    /// Shared by all tests: use a key prefix, and never flush it.
    pub redis: Redis,
}

impl Servers {
    /// Finds them, or starts them: one process at a time.
    ///
    /// # Errors
    /// When a server is not installed or does not start.
    pub fn start() -> Result<Self> {
        let home = home();
        fs::create_dir_all(&home).with_context(|| format!("could not make {}", home.display()))?;
        let _lock = lock(&home, "servers.lock")?;
        let postgres = Postgres::start(&PostgresConfig {
            data_dir: home.join("pg"),
            socket_dir: home.join("run"),
            log: home.join("postgres.log"),
            durable: false,
            bin: None,
        })?;
        let redis = Redis::start(&RedisConfig {
            socket_dir: home.join("run"),
            log: home.join("redis.log"),
        })?;
        Ok(Self { postgres, redis })
    }

    /// Ends them if they run, and removes their files.
    ///
    /// # Errors
    /// When a server does not end.
    pub fn stop() -> Result<()> {
        let home = home();
        if !home.exists() {
            return Ok(());
        }
        let servers = Self::start()?;
        let _lock = lock(&home, "servers.lock")?;
        servers.redis.stop()?;
        servers.postgres.stop()?;
        fs::remove_dir_all(&home).with_context(|| format!("could not remove {}", home.display()))
    }
}

/// A Redis that belongs to one test, which may flush, kill or restart it.
pub struct OwnRedis {
    server: Option<Redis>,
    config: RedisConfig,
}

impl OwnRedis {
    /// Starts one.
    ///
    /// # Errors
    /// When Redis is not installed or does not start.
    pub fn start() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = home().join(format!("redis-{}-{number}", std::process::id()));
        let config = RedisConfig { log: dir.join("log"), socket_dir: dir.join("run") };
        let server = Some(Redis::start(&config)?);
        Ok(Self { server, config })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.as_ref().map(Redis::url).unwrap_or_default()
    }

    /// Ends it and starts an empty one at the same address.
    ///
    /// # Errors
    /// When it does not end or does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.server = Some(Redis::start(&self.config)?);
        Ok(())
    }

    /// Ends it; [`Self::restart`] brings it back.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| server.stop().map_err(Into::into))
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        if self.stop().is_ok()
            && let Some(dir) = self.config.log.parent()
        {
            fs::remove_dir_all(dir).ok();
        }
    }
}

/// The root of this checkout.
#[must_use]
pub(crate) fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The directory of this checkout's servers.
pub(crate) fn home() -> PathBuf {
    let checkout = checkout();
    let roomy = |dir: &str| {
        statvfs(dir).is_ok_and(|fs| {
            let free: u64 = fs.blocks_available();
            free.saturating_mul(fs.fragment_size()) >= MEMORY_BYTES_MIN
        })
    };
    let memory = "/dev/shm";
    let name = Sha256Hash::of(checkout.as_os_str().as_encoded_bytes()).to_string();
    let name: String = name.chars().take(16).collect();
    let home = Path::new(memory).join(format!("medusa-test-{name}"));
    // Where it is once, it stays: free memory must not move it in the middle of a run.
    if home.exists() || roomy(memory) { home } else { checkout.join("target/medusa-test") }
}

/// Waits until nobody else holds this lock; dropping the file releases it.
pub(crate) fn lock(home: &Path, name: &str) -> Result<File> {
    let path = home.join(name);
    let file = File::create(&path).with_context(|| format!("could not open {}", path.display()))?;
    file.lock().with_context(|| format!("could not lock {}", path.display()))?;
    Ok(file)
}
