//! Operating a running server from its own machine: whoever can read its key file may.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use medusa_types::Role;

/// Commands of the operator.
#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Give a person a role: consumer, lender, admin or auditor (who reads all and changes nothing)
    Grant {
        /// The person's address
        email: String,
        /// The role
        role: Role,
        /// Folder of the server's data
        #[arg(long, env = "MEDUSA_DATA")]
        data: PathBuf,
        /// Address of the server
        #[arg(long, env = "MEDUSA_PUBLIC_URL", default_value = "http://127.0.0.1:7700")]
        server: String,
    },
}

/// Name of the key that the operator's routes ask for.
pub(crate) const OPERATOR_KEY: &str = "operator.key";

/// The key as it is sent.
pub(crate) fn operator_token(key: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// The key in a server's data folder.
pub(crate) fn operator_key(data: &Path) -> Result<[u8; 32]> {
    let path = data.join("keys").join(OPERATOR_KEY);
    let key = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
    key.try_into().ok().context("the operator's key is damaged")
}

/// Carries out a command.
pub(crate) async fn run(command: AdminCommand) -> Result<()> {
    let AdminCommand::Grant { email, role, data, server } = command;
    let key = operator_key(&data)?;
    let body = serde_json::json!({ "email": email, "role": role });
    let answer = medusa_client::post_as_operator(
        &server,
        "/v1/operator/roles",
        &operator_token(&key),
        &body,
    )
    .await?;
    if let Some(problem) = answer {
        bail!("{}", problem.detail);
    }
    Ok(())
}
