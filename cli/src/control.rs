//! `pause`, `resume`, `budget`, `retry`, `cancel` and `rerun`: what is done to a submitted job.

use medusa_api::{Job, JobState, PauseWhy};
use medusa_client::operation_id;
use medusa_types::{Credits, JobId};

use crate::App;
use crate::args;
use crate::exit::{Exit, Fail};
use crate::output::{ask, can_ask};
use crate::submit::{accepting, agreed, in_words, tell, within_budget};
use crate::watch;

pub(crate) async fn pause(app: &App, id: JobId) -> anyhow::Result<Exit> {
    let job = app.client.pause_job(id, operation_id()).await?;
    show(app, &job)?;
    app.out.say(&match job.state {
        JobState::Paused => {
            format!("paused; what is under way is finished\n`medusa resume {id}` goes on")
        }
        _ => format!("{}: there is nothing to pause any more", state(&job)),
    });
    Ok(Exit::Done)
}

pub(crate) async fn resume(app: &App, id: JobId) -> anyhow::Result<Exit> {
    let job = app.client.resume_job(id, operation_id()).await?;
    show(app, &job)?;
    app.out.say(&state(&job));
    Ok(Exit::Done)
}

pub(crate) async fn budget(app: &App, id: JobId, add: Credits) -> anyhow::Result<Exit> {
    let job = app.client.raise_budget(id, add, operation_id()).await?;
    show(app, &job)?;
    let missing = job.cost.missing(&job.counts);
    let more =
        if missing.is_positive() { format!("; likely missing: {missing}") } else { String::new() };
    app.out.say(&format!("{} credits are held now{more}\n{}", job.cost.held, state(&job)));
    if job.state == JobState::Paused {
        app.out.say(&next_step(&job));
    }
    Ok(Exit::Done)
}

pub(crate) async fn retry(app: &App, id: JobId, fuel_times: u32) -> anyhow::Result<Exit> {
    let job = app.client.retry_job(id, fuel_times, operation_id()).await?;
    show(app, &job)?;
    app.out.say(&format!("the chunks that failed get another chance\n{}", state(&job)));
    Ok(Exit::Done)
}

pub(crate) async fn cancel(app: &App, id: JobId, yes: bool) -> anyhow::Result<Exit> {
    let job = app.client.job(id).await?;
    // What has ended is not stopped any more: the server says so.
    if !job.state.is_final() {
        app.out.say(&preview(&job));
        if !yes && can_ask() && !sure()? {
            return Err(Fail::new(Exit::General, "the job was not stopped").into());
        }
    }
    let job = app.client.cancel_job(id, operation_id()).await?;
    show(app, &job)?;
    app.out.say(&format!(
        "{}; it cost {} credits, {} came back",
        job.state.as_str(),
        job.cost.spent,
        job.cost.released
    ));
    Ok(Exit::Done)
}

fn sure() -> anyhow::Result<bool> {
    Ok(matches!(ask("Stop it? [y/N]")?.to_lowercase().as_str(), "y" | "yes"))
}

/// What stopping a job means for its money.
fn preview(job: &Job) -> String {
    let Job { cost, counts, .. } = job;
    let under_way = match counts.leased {
        0 => String::new(),
        leased => format!("; {leased} chunks under way are not finished and not paid"),
    };
    format!(
        "stopping it: {} credits are paid for what is done, {} of {} chunks, and stay paid; about \
         {} come back{under_way}",
        cost.spent,
        counts.done(),
        counts.total,
        cost.left()
    )
}

pub(crate) async fn rerun(app: &App, args: args::Rerun) -> anyhow::Result<Exit> {
    app.out.say("running a sample chunk for the quote");
    let quote = app.client.rerun_job(args.id).await?;
    app.out.say(&in_words(&quote));
    let hold = within_budget(app, &quote, args.budget)?;
    let agreed = args.yes || can_ask() && agreed(hold)?;
    if !agreed {
        if app.out.json() {
            app.out.value(&quote)?;
        }
        let next = format!("`medusa rerun {} --yes` submits it", args.id);
        return Err(Fail::new(Exit::General, "nothing was submitted").next(next).into());
    }
    let job = app.client.submit_job(&accepting(quote, hold), operation_id()).await?;
    tell(app, &job)?;
    if args.wait { watch::follow(app, &job, app.out.json()).await } else { Ok(Exit::Done) }
}

fn show(app: &App, job: &Job) -> anyhow::Result<()> {
    if app.out.json() { app.out.value(job) } else { Ok(()) }
}

/// The state, and why it is paused.
pub(crate) fn state(job: &Job) -> String {
    let why = job.paused.filter(|_| job.state == JobState::Paused);
    let why = why.map(|why| format!(": {}", why.in_short()));
    format!("{}{}", job.state.as_str(), why.unwrap_or_default())
}

/// What gets a paused job going, as commands.
pub(crate) fn next_step(job: &Job) -> String {
    let id = job.id;
    match job.paused {
        Some(PauseWhy::HoldSpent) => {
            let add = job.cost.missing(&job.counts).max(Credits::from_micros(10_000));
            format!(
                "`medusa budget {id} +{add}` holds as much more as is likely needed; \
                 `medusa cancel {id}` stops it"
            )
        }
        Some(PauseWhy::ChunksFailed) => format!(
            "`medusa job {id} --chunks` says what failed; `medusa retry {id}` tries again, \
             `--fuel-times 4` with more fuel; `medusa cancel {id}` stops it"
        ),
        Some(PauseWhy::Asked) | None => {
            format!("`medusa resume {id}` goes on; `medusa cancel {id}` stops it")
        }
    }
}
