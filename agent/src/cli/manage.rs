//! What is done to an agent that does not run, or runs elsewhere: install, look after, update.

use std::ffi::OsString;
use std::process::ExitCode;

use super::{Command, Switch, lend, page, say};
use crate::config::Config;
use crate::doctor::{self, Mark};
use crate::identity::Identity;
use crate::install::{self, InstallError, Places, autostart};
use crate::runner::install_crypto;
use crate::server::Server;
use crate::update::{self, Source};

/// There is a newer version: `update --check` ends with this.
const NEWER: u8 = 10;

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    lend::start_logs();
    install_crypto();
    match command {
        Command::Doctor { of, json } => doctor(&of.config()?, json),
        Command::Page { of, open } => page::run(&of.config()?, open),
        Command::Install { of, now } => install(&of.config()?, now),
        Command::Uninstall { of, purge } => uninstall(&of.config()?, purge),
        Command::Autostart { what, of } => autostart(&of.config()?, what),
        Command::Update { of, check, automatic } => match automatic {
            Some(what) => automatically(&of.config()?, what),
            None if check => check_update(&of.config()?),
            None => update(&of.config()?),
        },
        Command::Run(_) | Command::Worker | Command::Rehearse { .. } => Ok(ExitCode::FAILURE),
    }
}

#[tokio::main]
async fn doctor(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let checks = doctor::examine(config, &Places::of(config)?).await;
    for check in &checks {
        if json {
            say(&serde_json::to_string(check)?)?;
        } else {
            say(&check.to_string())?;
        }
    }
    let fails = checks.iter().any(|check| check.mark == Mark::Fail);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn install(config: &Config, now: bool) -> anyhow::Result<ExitCode> {
    let places = Places::of(config)?;
    let args = places.arguments().join(" ");
    let done = install::install(places, now)?;
    say(&format!("program   {}", done.program.display()))?;
    say(&format!("service   {}", done.service.display()))?;
    say("autostart on: it starts when you log in; `medusa-agent autostart off` turns that off")?;
    if cfg!(target_os = "linux") {
        say("          to start with the machine instead: loginctl enable-linger")?;
    }
    match done.started {
        Some(true) => match page::link(&config.data) {
            Some(page) => say(&format!("started   its page, by a link that works once: {page}"))?,
            None => say("started   its page: `medusa-agent page` tells its link")?,
        },
        Some(false) => {
            let program = done.program.display();
            say("started   no: the service manager does not answer")?;
            say(&format!("          start it by hand: {program} {args}"))?;
            return Ok(ExitCode::FAILURE);
        }
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn uninstall(config: &Config, purge: bool) -> anyhow::Result<ExitCode> {
    let left = install::uninstall(&Places::of(config)?, purge)?;
    match left.data {
        Some(data) if purge => {
            say(&format!("left: {}, which has files that are not the agent's", data.display()))?;
        }
        Some(data) => {
            let data = data.display();
            say(&format!("left: {data}, with the machine's identity and limits (--purge: also)"))?;
        }
        None => {}
    }
    if let Some(program) = left.program {
        say(&format!("left: {}, which was there before", program.display()))?;
    }
    say("the machine stays on the website's list until you revoke it there")?;
    Ok(ExitCode::SUCCESS)
}

fn autostart(config: &Config, what: Switch) -> anyhow::Result<ExitCode> {
    let places = Places::of(config)?;
    if what == Switch::On && !autostart::would_work(&places) {
        return Err(InstallError::NoServer.into());
    }
    if what != Switch::Status {
        autostart::set(&places, what == Switch::On)?;
    }
    say(if autostart::is_on(&places) { "on" } else { "off" })?;
    Ok(ExitCode::SUCCESS)
}

fn automatically(config: &Config, what: Switch) -> anyhow::Result<ExitCode> {
    if what == Switch::On {
        // Whoever turns it on wants to know that nothing would happen.
        Source::new(config)?;
    }
    if what != Switch::Status {
        update::set_automatic(&config.data, what == Switch::On)?;
    }
    say(if update::is_automatic(&config.data) { "on" } else { "off" })?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn check_update(config: &Config) -> anyhow::Result<ExitCode> {
    match update::look(&Source::new(config)?).await? {
        Some(version) => {
            say(&format!("version {version} is there; `medusa-agent update` puts it in place"))?;
            Ok(ExitCode::from(NEWER))
        }
        None => {
            say("this is the newest version")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// An agent that runs does it itself, when it has finished what it has.
#[tokio::main]
async fn update(config: &Config) -> anyhow::Result<ExitCode> {
    let source = Source::new(config)?;
    if install::is_running(&config.data) {
        update::ask(&config.data)?;
        say("the agent that runs was asked to; its page says what it does")?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(fresh) = update::fetch(&source, config).await? else {
        say("this is the newest version")?;
        return Ok(ExitCode::SUCCESS);
    };
    let args: Vec<OsString> =
        Places::of(config)?.arguments().into_iter().map(OsString::from).collect();
    fresh.put(config, &args, is_accepted(config).await).await?;
    say(&format!("version {} is in place", fresh.version()))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether this version reaches the server, so that a newer one has to reach it too.
async fn is_accepted(config: &Config) -> bool {
    let Ok(Some(identity)) = Identity::load(&config.data) else { return false };
    let server = Server::trusting(&identity.server, config.ca.as_deref());
    let Ok(server) = server else { return false };
    server.with_key(&identity.agent_key).account().await.is_ok()
}
