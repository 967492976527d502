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
        (self.ask("/readyz").await?.0 == 200).then_some(())
    }

    /// Something while it lives and says that another one writes.
    pub(crate) async fn stands_by(&self) -> Option<()> {
        let alive = self.ask("/healthz").await?.0 == 200;
        let (status, after) = self.ask("/readyz").await?;
        (alive && status == 503 && after.is_some()).then_some(())
    }
}

impl House {
    /// How often somebody became the writer of this house's log.
    pub(crate) async fn epoch(&self) -> i64 {
        let query = sqlx::query_scalar("select epoch from log_head");
        query.fetch_one(&self.db.pool).await.unwrap()
    }
}
