//! `agents`: the machines that one lends, and what is done to them from afar.

use clap::Subcommand;
use medusa_api::{Agent, AgentCaps, AgentChange, AgentState};
use medusa_types::AgentId;

use crate::App;
use crate::exit::{Exit, Fail};
use crate::output::{ask, can_ask};

const MIB: u64 = 1024 * 1024;

/// What is done with a machine from afar. A machine is named by its id or its name.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// Give a machine another name.
    Rename {
        /// The machine.
        machine: String,
        /// What to call it, 1 to 60 characters.
        name: String,
    },
    /// Pause a machine: it stops computing, and gives back what it does not go on with soon.
    Pause {
        /// The machine.
        machine: String,
    },
    /// Let a machine go on that was paused from afar; its own settings still count.
    Resume {
        /// The machine.
        machine: String,
    },
    /// Lower what a machine may use; what is not named is as its own settings allow.
    Limit {
        /// The machine.
        machine: String,
        /// Chunks at the same time, at most.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
        slots: Option<u32>,
        /// Memory for chunks, at most, in MiB.
        #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..))]
        memory_mib: Option<u64>,
    },
    /// Remove a machine: its key opens nothing any more.
    Revoke {
        /// The machine.
        machine: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

pub(crate) async fn run(app: &App, command: Option<Agents>) -> anyhow::Result<Exit> {
    let paused = |paused| AgentChange { paused: Some(paused), ..AgentChange::default() };
    match command {
        None => list(app).await,
        Some(Agents::Rename { machine, name }) => {
            let change = AgentChange { name: Some(name), ..AgentChange::default() };
            change_one(app, &machine, change).await
        }
        Some(Agents::Pause { machine }) => change_one(app, &machine, paused(true)).await,
        Some(Agents::Resume { machine }) => change_one(app, &machine, paused(false)).await,
        Some(Agents::Limit { machine, slots, memory_mib }) => {
            let memory_bytes = memory_mib.map(|mib| mib.saturating_mul(MIB));
            let limits = Some(AgentCaps { slots, memory_bytes });
            change_one(app, &machine, AgentChange { limits, ..AgentChange::default() }).await
        }
        Some(Agents::Revoke { machine, yes }) => revoke(app, &machine, yes).await,
    }
}

async fn list(app: &App) -> anyhow::Result<Exit> {
    let agents = app.client.agents().await?;
    if app.out.json() {
        app.out.value(&agents)?;
        return Ok(Exit::Done);
    }
    if agents.is_empty() {
        app.out.say("no machines yet; start `medusa-agent` on one and confirm its code");
        return Ok(Exit::Done);
    }
    let row = |agent: &Agent| {
        vec![
            agent.id.to_string(),
            app.out.state(state(agent.state)),
            agent.chunks.to_string(),
            agent.earned.to_string(),
            agent.streak.to_string(),
            agent.name.clone(),
        ]
    };
    let rows: Vec<_> = agents.iter().map(row).collect();
    app.out.table(&["MACHINE", "STATE", "CHUNKS", "EARNED", "STREAK", "NAME"], &rows)?;
    Ok(Exit::Done)
}

/// A machine by its id, or by its name when only one has it.
async fn find(app: &App, machine: &str) -> anyhow::Result<Agent> {
    let id = machine.parse::<AgentId>().ok();
    let agents = app.client.agents().await?;
    let fits = |agent: &Agent| id.map_or(agent.name == machine, |id| agent.id == id);
    let mut found = agents.into_iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(agent), None) => Ok(agent),
        (Some(_), Some(_)) => {
            let words = format!("more than one machine is called {machine}; give its id");
            Err(Fail::new(Exit::Usage, words).into())
        }
        (None, _) => {
            let words = format!("you have no machine {machine}; `medusa agents` lists them");
            Err(Fail::new(Exit::NotFound, words).into())
        }
    }
}

async fn change_one(app: &App, machine: &str, change: AgentChange) -> anyhow::Result<Exit> {
    let agent = find(app, machine).await?;
    let agent = app.client.change_agent(agent.id, &change).await?;
    if app.out.json() {
        app.out.value(&agent)?;
    }
    app.out.say(&in_words(&agent));
    Ok(Exit::Done)
}

async fn revoke(app: &App, machine: &str, yes: bool) -> anyhow::Result<Exit> {
    let agent = find(app, machine).await?;
    let question = format!(
        "Remove {}? Its key opens nothing any more, and it has to be enrolled again. [y/N]",
        agent.name
    );
    if !yes && can_ask() && !matches!(ask(&question)?.to_lowercase().as_str(), "y" | "yes") {
        return Err(Fail::new(Exit::General, "the machine was not removed").into());
    }
    app.client.remove_agent(agent.id).await?;
    app.out.say(&format!("{} was removed; what it earned stays yours", agent.name));
    Ok(Exit::Done)
}

/// What a machine may do, as it was asked for here or on the website.
fn in_words(agent: &Agent) -> String {
    let remote = &agent.remote;
    let slots = remote.slots.map(|slots| match slots {
        1 => "1 chunk at a time".to_owned(),
        n => format!("{n} chunks at a time"),
    });
    let mib = |bytes: u64| bytes.checked_div(MIB).unwrap_or_default();
    let memory = remote.memory_bytes.map(|bytes| format!("{} MiB", mib(bytes)));
    let most: Vec<String> = slots.into_iter().chain(memory).collect();
    let most = match most.len() {
        0 => "as much as its own settings allow".to_owned(),
        _ => format!("at most {}", most.join(" and ")),
    };
    let paused = if remote.paused { "paused from afar" } else { "not paused from afar" };
    format!("{}: {paused}, {most}", agent.name)
}

const fn state(state: AgentState) -> &'static str {
    match state {
        AgentState::Offline => "offline",
        AgentState::Paused => "paused",
        AgentState::Idle => "idle",
        AgentState::Busy => "busy",
    }
}
