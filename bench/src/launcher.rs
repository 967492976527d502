//! How long the launcher takes from its start to its report.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::figure;
use crate::process::{Folder, checkout};

/// The line of the report that says that the result is right.
const REPORT: &str = "exactly the known result";

/// `./dev up` where everything is built: in a new folder, and then again in the same.
pub(crate) async fn measure() -> Result<()> {
    let measured = tokio::task::spawn_blocking(|| {
        let root = checkout()?;
        // The launcher runs the debug build; compiling it is another figure.
        let mut build = Command::new("cargo");
        build.args(["build", "-q", "-p", "medusa-server", "-p", "medusa-agent", "-p"]);
        if !build.arg("medusa-cli").current_dir(&root).status()?.success() {
            bail!("the launcher's programs do not build");
        }
        let home = Folder::new()?;
        figure::seconds("up_cold_s", up(&root, home.path(), &["--reset"])?);
        figure::seconds("up_warm_s", up(&root, home.path(), &[])?);
        Ok(())
    });
    measured.await?
}

fn up(root: &Path, home: &Path, more: &[&str]) -> Result<Duration> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let began = Instant::now();
    let mut launcher = Command::new(root.join("dev"))
        .args(["up", "--once", "--port", &port.to_string()])
        .args(more)
        .current_dir(root)
        .env("MEDUSA_HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = launcher.stdout.take().context("it has no output")?;
    let mut reported = None;
    for line in BufReader::new(out).lines() {
        if line?.contains(REPORT) {
            reported.get_or_insert_with(|| began.elapsed());
        }
    }
    let status = launcher.wait()?;
    if !status.success() {
        bail!("./dev up failed ({status})");
    }
    reported.context("./dev up gave no report")
}
