//! `session`: a program that stays on agents and answers rounds. Lists them and shows one; `run`
//! is in a file of its own.

use clap::Subcommand;
use medusa_api::{Session, SessionState};
use medusa_types::SessionId;

use crate::App;
use crate::exit::Exit;
use crate::jobs::minute;
use crate::session_run::{Run, run as drive};

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// Open a session, send it rounds, write the last answer, end it; prints its id.
    Run(Box<Run>),
    /// List your latest sessions, newest first.
    Ls,
    /// Show one session.
    Show {
        /// The session.
        id: SessionId,
    },
}

pub(crate) async fn run(app: &App, command: Sessions) -> anyhow::Result<Exit> {
    match command {
        Sessions::Run(args) => drive(app, &args).await,
        Sessions::Ls => list(app).await,
        Sessions::Show { id } => show(app, id).await,
    }
}

async fn list(app: &App) -> anyhow::Result<Exit> {
    let sessions = app.client.sessions().await?;
    if app.out.json() {
        app.out.value(&sessions)?;
        return Ok(Exit::Done);
    }
    if sessions.is_empty() {
        app.out.say("no sessions yet; `medusa session run` opens one");
        return Ok(Exit::Done);
    }
    let row = |session: &Session| {
        vec![
            session.id.to_string(),
            app.out.state(&state(session)),
            session.shards.to_string(),
            session.rounds.to_string(),
            session.spent.to_string(),
            minute(&session.opened_at.to_string()),
            session.name.clone(),
        ]
    };
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let head = ["SESSION", "STATE", "SHARDS", "ROUNDS", "SPENT", "OPENED", "NAME"];
    app.out.table(&head, &rows)?;
    Ok(Exit::Done)
}

async fn show(app: &App, id: SessionId) -> anyhow::Result<Exit> {
    let session = app.client.session(id).await?;
    if app.out.json() {
        app.out.value(&session)?;
        return Ok(Exit::Done);
    }
    let mut facts = vec![
        ("session", session.id.to_string()),
        ("name", session.name.clone()),
        ("state", app.out.state(&state(&session))),
        ("shards", format!("{}, and {} spare agents", session.shards, session.spares)),
        ("rounds", session.rounds.to_string()),
        ("cost", format!("{} spent of {} held", session.spent, session.held)),
        (
            "prices",
            format!("{} for 1 Gfuel, {} for each seat", session.per_gfuel, session.per_start),
        ),
        ("opened", session.opened_at.to_string()),
    ];
    facts.extend(session.ended_at.map(|at| ("ended", at.to_string())));
    for (name, value) in facts {
        app.out.data(&format!("{name:<10} {value}"))?;
    }
    Ok(Exit::Done)
}

/// How a session is, and why it failed.
fn state(session: &Session) -> String {
    let word = match session.state {
        SessionState::Open => "open",
        SessionState::Done => "done",
        SessionState::Failed => "failed",
    };
    match &session.code {
        Some(code) => format!("{word}: {code}"),
        None => word.to_owned(),
    }
}
