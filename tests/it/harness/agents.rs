//! Real agents: the program as lenders run it, enrolled by the device flow.

use std::process::Command;

use medusa_api::{AgentState, DeviceApproval, DevicePoll, DeviceRequest, DeviceToken};
use medusa_types::AgentId;

use super::house::House;
use super::people::Person;
use super::process::{Folder, Process, program};
use super::until;

/// A running `medusa-agent`.
pub(crate) struct RealAgent {
    /// As the server knows it.
    pub(crate) id: AgentId,
    process: Process,
    folder: Folder,
}

impl House {
    /// Enrols a machine of this person: it asks, its owner confirms, it gets its key.
    pub(crate) async fn enrol(&self, owner: &Person, name: &str) -> DeviceToken {
        let machine = self.client();
        let code = machine
            .device(&DeviceRequest { name: name.to_owned(), public_key: None, about: None })
            .await
            .unwrap();
        let approval = DeviceApproval { user_code: code.user_code, name: String::new() };
        owner.client.approve_device(&approval).await.unwrap();
        machine.poll_device(&DevicePoll { device_code: code.device_code }).await.unwrap()
    }

    /// Starts an agent of this person and waits until it is connected.
    pub(crate) async fn agent(&self, owner: &Person) -> RealAgent {
        self.agent_in(owner, Folder::new()).await
    }

    /// Starts an agent of each of these new people.
    pub(crate) async fn agents_of(&self, lenders: &[&str]) -> Vec<RealAgent> {
        let mut agents = Vec::new();
        for name in lenders {
            agents.push(self.agent(&self.person(name).await).await);
        }
        agents
    }

    /// Starts an agent of this person with what is in this folder already.
    pub(crate) async fn agent_in(&self, owner: &Person, folder: Folder) -> RealAgent {
        self.agent_by(owner, folder, &self.url).await
    }

    /// The same, that finds the server at this address.
    pub(crate) async fn agent_by(&self, owner: &Person, folder: Folder, url: &str) -> RealAgent {
        let token = self.enrol(owner, "desk").await;
        let identity = serde_json::json!({
            "server": url, "agent": token.agent, "name": token.name,
            "agent_key": token.agent_key,
        });
        std::fs::write(folder.path().join("identity.json"), identity.to_string()).unwrap();
        let mut process = start(&folder);
        until("the agent's connection", async || {
            process.must_live();
            self.online(owner, &token).await
        })
        .await;
        RealAgent { id: token.agent, process, folder }
    }

    /// Something once the server knows that this machine is connected.
    pub(crate) async fn online(&self, owner: &Person, token: &DeviceToken) -> Option<()> {
        let agents = owner.client.agents().await.unwrap();
        let agent = agents.iter().find(|agent| agent.id == token.agent).unwrap();
        (agent.state != AgentState::Offline).then_some(())
    }
}

impl RealAgent {
    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it with SIGKILL, in the middle of whatever it does.
    pub(crate) fn kill9(mut self) {
        self.process.kill9();
    }

    /// Starts it again after its process was killed.
    pub(crate) fn restart(&mut self) {
        self.process = start(&self.folder);
    }
}

/// Starts an agent with what is in its folder.
fn start(folder: &Folder) -> Process {
    let mut command = Command::new(program("medusa-agent"));
    command.args([
        "run",
        "--start",
        "--always",
        "--exit-with-stdin",
        "--no-measure",
        "--port",
        "0",
        "--slots",
        "1",
    ]);
    command.arg("--data").arg(folder.path()).env_remove("RUST_LOG").env_remove("MEDUSA_SERVER");
    Process::start("an agent", &mut command, &folder.path().join("agent.log"))
}
