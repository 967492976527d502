//! One more server of a house: over the same database, Redis and files, at an address of its own.

use std::time::Duration;

use super::house::House;
use super::process::Process;

/// How long one question to a server may take.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// A server beside another.
pub(crate) struct Twin {
    pub(crate) process: Process,
    pub(crate) url: String,
    http: reqwest::Client,
}

impl Twin {
    pub(super) fn new(process: Process, listen: &str) -> Self {
        medusa_client::install_crypto();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(ASK_LIMIT);
        Self { process, url: format!("http://{listen}"), http: http.build().unwrap() }
    }

    /// The status of this path and its `Retry-After` in seconds; nothing while nobody answers.
    pub(crate) async fn ask(&self, path: &str) -> Option<(u16, Option<u64>)> {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.ok()?;
        let after = answer.headers().get("retry-after").map(|v| v.to_str().unwrap());
        Some((answer.status().as_u16(), after.map(|seconds| seconds.parse().unwrap())))
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill9(mut self) {
        self.process.kill9();
    }

    /// Something once it writes the log.
    pub(crate) async fn writes(&self) -> Option<()> {
        let writes = self.is("writer").await? && self.ask("/readyz").await?.0 == 200;
        writes.then_some(())
    }

    /// Something while it stands by.
    pub(crate) async fn stands_by(&self) -> Option<()> {
        self.is("standby").await?.then_some(())
    }

    /// Something while it stands by and reaches the writer.
    pub(crate) async fn forwards(&self) -> Option<()> {
        let forwards = self.is("standby").await? && self.ask("/readyz").await?.0 == 200;
        forwards.then_some(())
    }

    /// Whether it says that this is its role.
    async fn is(&self, role: &str) -> Option<bool> {
        let answer = self.http.get(format!("{}/healthz", self.url)).send().await.ok()?;
        let said: serde_json::Value = answer.json().await.ok()?;
        Some(said["role"] == role)
    }
}

impl House {
    /// How often somebody became the writer of this house's log.
    pub(crate) async fn epoch(&self) -> i64 {
        let query = sqlx::query_scalar("select epoch from log_head");
        query.fetch_one(&self.db.pool).await.unwrap()
    }
}
