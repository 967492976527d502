//! A server with a database and a Redis of its own. Nothing is shared with other tests, so it may
//! be
//! killed, and its Redis flushed.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use medusa_client::Client;
use medusa_testkit::{OwnRedis, TestDb};

use super::cluster::Cluster;
use super::process::{Folder, Process, program};
use super::twin::Twin;
use super::{checkout, until};

/// A house. Agents must be declared after it, so that they leave first.
pub(crate) struct House {
    server: Option<Process>,
    pub(crate) redis: OwnRedis,
    pub(crate) db: TestDb,
    pub(crate) url: String,
    listen: String,
    folder: Folder,
    welcome: &'static str,
    /// Further settings for the next start, as environment.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// What `serve` is told, also by the servers beside the first.
    serve: &'static [&'static str],
}

impl House {
    /// With 100 credits for everybody who comes.
    pub(crate) async fn open() -> Self {
        Self::open_with_welcome("100").await
    }

    /// With another welcome.
    pub(crate) async fn open_with_welcome(welcome: &'static str) -> Self {
        let db = TestDb::new().await.unwrap();
        Self::open_over(db, welcome, &["serve", "--exit-with-stdin", "--volatile-database"]).await
    }

    /// Over a cluster that loses nothing, which may be killed.
    pub(crate) async fn open_on(cluster: &Cluster) -> Self {
        let db = cluster.database().await;
        Self::open_over(db, "100", &["serve", "--exit-with-stdin"]).await
    }

    async fn open_over(db: TestDb, welcome: &'static str, serve: &'static [&'static str]) -> Self {
        let redis = OwnRedis::start().unwrap();
        let listen = free_address();
        let url = format!("http://{listen}");
        let (folder, settings) = (Folder::new(), Vec::new());
        let mut house =
            Self { server: None, redis, db, url, listen, folder, welcome, settings, serve };
        house.start().await;
        house
    }

    /// A command of the server's program with the settings of this house.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(program("medusa-server"));
        command
            .env("DATABASE_URL", &self.db.url)
            .env("REDIS_URL", self.redis.url())
            .env("MEDUSA_DATA", self.folder.path())
            .env("MEDUSA_EXAMPLES", checkout().join("examples"))
            .env("MEDUSA_LISTEN", &self.listen)
            .env("MEDUSA_PUBLIC_URL", &self.url)
            .env("MEDUSA_WELCOME", self.welcome)
            .env("MEDUSA_AGENT_GRACE_MS", "300")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env_remove("RUST_LOG");
        command
    }

    /// Starts the server and waits until it can do everything.
    async fn start(&mut self) {
        let mut command = self.command();
        command.args(self.serve);
        let log = self.folder.path().join("server.log");
        let mut server = Process::start("the server", &mut command, &log);
        let client = self.client().with_retries(0).with_deadline(Duration::from_secs(5));
        until("a ready server", async || {
            server.must_live();
            client.ready().await.ok()
        })
        .await;
        self.server = Some(server);
    }

    /// Ends the server with SIGKILL.
    pub(crate) fn kill9(&mut self) {
        self.server.take().expect("the server runs").kill9();
    }

    /// Starts the server again after [`House::kill9`].
    pub(crate) async fn restart(&mut self) {
        assert!(self.server.is_none(), "the server still runs");
        self.start().await;
    }

    /// The server's process.
    pub(crate) fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("the server runs")
    }

    /// Starts one more server over the same things, with an address and a log of its own, and
    /// waits for nothing.
    pub(crate) fn twin(&self, name: &str) -> Twin {
        let listen = free_address();
        let mut command = self.command();
        command.args(self.serve).env("MEDUSA_LISTEN", &listen);
        let log = self.folder.path().join(format!("{name}.log"));
        Twin::new(Process::start(name, &mut command, &log), &listen)
    }

    /// The folder of its data.
    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    /// A client of nobody.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, None).unwrap()
    }

    /// Plain HTTP, for what a good client would not send.
    pub(crate) fn http(&self) -> reqwest::Client {
        medusa_client::install_crypto();
        reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
    }

    /// What the server has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap()
    }

    /// Where it listens, `address:port`.
    pub(crate) fn address(&self) -> &str {
        &self.listen
    }

    /// Every file of the object store, whole or not.
    pub(crate) fn stored_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

/// Whoever gets a port from the system gets another one than those of the last minute.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
