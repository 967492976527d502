//! Real servers in a temporary directory: made, adopted after their parent forgot them, stopped.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{EmbeddedError, Postgres, PostgresConfig, Redis, RedisConfig};

/// A directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("medusa-embedded-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn postgres(&self) -> PostgresConfig {
        PostgresConfig {
            data_dir: self.0.join("pg"),
            socket_dir: self.0.join("run"),
            log: self.0.join("log/postgres.log"),
            durable: false,
            bin: None,
        }
    }

    fn redis(&self) -> RedisConfig {
        RedisConfig { socket_dir: self.0.join("run"), log: self.0.join("log/redis.log") }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_forgotten_postgres_is_adopted_and_a_killed_one_recovers() {
    let scratch = Scratch::new("pg with space");
    let first = Postgres::start(&scratch.postgres()).unwrap();
    assert!(!first.adopted());
    assert!(first.url().contains("%20with%20space"), "{}", first.url());
    let (pid, url) = (first.pid(), first.url());
    drop(first);

    let again = Postgres::start(&scratch.postgres()).unwrap();
    assert_eq!((again.adopted(), again.pid(), again.url()), (true, pid, url));
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    // Wait for the end of the killed one, which leaves its pid file behind.
    drop(again.stop());

    let after = Postgres::start(&scratch.postgres()).unwrap();
    assert_ne!(after.pid(), pid);
    drop(after);
    Postgres::erase(&scratch.postgres()).unwrap();
    assert!(!scratch.postgres().data_dir.exists());
}

#[test]
fn a_forgotten_redis_is_adopted() {
    let scratch = Scratch::new("redis");
    let first = Redis::start(&scratch.redis()).unwrap();
    let pid = first.pid();
    assert!(!first.adopted());
    drop(first);
    let again = Redis::start(&scratch.redis()).unwrap();
    assert_eq!((again.adopted(), again.pid()), (true, pid));
    again.stop().unwrap();
    let fresh = Redis::start(&scratch.redis()).unwrap();
    assert!(!fresh.adopted());
    drop(fresh);
    Redis::end(&scratch.redis()).unwrap();
    assert!(!Redis::start(&scratch.redis()).unwrap().adopted());
    Redis::end(&scratch.redis()).unwrap();
}

#[test]
fn a_long_path_gets_a_short_socket() {
    let scratch = Scratch::new("long");
    let deep = scratch.0.join("d".repeat(90));
    let config = RedisConfig { socket_dir: deep, log: scratch.0.join("redis.log") };
    let server = Redis::start(&config).unwrap();
    let url = server.url();
    server.stop().unwrap();
    assert!(url.len() < 100, "{url}");
    let socket = url.strip_prefix("redis+unix://").unwrap().split('?').next().unwrap();
    std::fs::remove_dir_all(std::path::Path::new(socket).parent().unwrap()).unwrap();
}

#[test]
fn a_directory_open_to_others_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new("open");
    let config = scratch.redis();
    std::fs::create_dir_all(&config.socket_dir).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&config.socket_dir, open).unwrap();
    assert!(matches!(Redis::start(&config), Err(EmbeddedError::NotPrivate { .. })));
}
