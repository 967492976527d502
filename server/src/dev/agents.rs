//! The two agents of the demonstration, each enrolled for another lender the way every agent is:
//! it asks for a code, its owner approves it, it gets its key.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use medusa_api::{DeviceApproval, DevicePoll, DeviceRequest};
use medusa_client::Client;
use medusa_types::AgentId;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::child::Child;
use super::home::Home;

/// The file in which an agent leaves the next link to its page.
const PAGE: &str = "page.url";

/// What an agent keeps about itself in `identity.json`.
#[derive(Serialize, Deserialize)]
struct Identity {
    server: String,
    agent: AgentId,
    name: String,
    agent_key: String,
}

/// Gives agent `number` an identity at the server, if it has none.
pub(super) async fn enrol(home: &Home, number: usize, owner: &Client) -> Result<()> {
    let path = data_dir(home, number)?.join("identity.json");
    let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let identity = match known {
        // The server may have another port than last time.
        Some(Identity { agent, name, agent_key, .. }) => {
            Identity { server: owner.base_url().to_owned(), agent, name, agent_key }
        }
        None => ask(owner, &format!("Demo machine {number}")).await?,
    };
    Home::write_private(&path, &serde_json::to_vec(&identity)?)
}

async fn ask(owner: &Client, name: &str) -> Result<Identity> {
    let machine = owner.clone().with_session(None);
    let code = machine
        .device(&DeviceRequest { name: name.to_owned(), public_key: None, about: None })
        .await?;
    let approval = DeviceApproval { user_code: code.user_code, name: name.to_owned() };
    owner.approve_device(&approval).await.context("the lender could not approve the agent")?;
    let token = machine.poll_device(&DevicePoll { device_code: code.device_code }).await?;
    Ok(Identity {
        server: owner.base_url().to_owned(),
        agent: token.agent,
        name: token.name,
        agent_key: token.agent_key,
    })
}

/// Starts agent `number`; both share the machine's cores.
pub(super) fn start(home: &Home, number: usize, program: &Path) -> Result<Child> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let slots = cores.div_ceil(2);
    let mut command = Command::new(program);
    command.arg("run").arg("--data").arg(data_dir(home, number)?);
    command.args(["--start", "--always", "--exit-with-stdin", "--slots", &slots.to_string()]);
    // The link of an earlier run would lead nowhere.
    fs::remove_file(data_dir(home, number)?.join(PAGE)).ok();
    let log = home.path(&format!("log/agent-{number}.log"));
    Child::start(&format!("agent {number}"), command, &log)
}

/// A link to the agent's own page, once there is one. It opens the page once.
pub(super) fn page(home: &Home, number: usize) -> Option<String> {
    let text = fs::read_to_string(data_dir(home, number).ok()?.join(PAGE)).ok()?;
    Some(text.trim().to_owned()).filter(|link| !link.is_empty())
}

fn data_dir(home: &Home, number: usize) -> Result<PathBuf> {
    home.private_dir(&format!("agents/{number}"))
}
