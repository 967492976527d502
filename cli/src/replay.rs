//! `replay`: computes a chunk again in this machine's own sandbox, and compares outcome, output and
//! fuel with the verdict in the log: it is read from the event's own bytes, which must be in the
//! tree. So are the keys of the machines, which the signatures of their reports are checked with.

use std::collections::BTreeSet;

use anyhow::Context as _;
use bytes::Bytes;
use medusa_api::{Accepted, Attempt, ChunkRun};
use medusa_events::{Envelope, Fact};
use medusa_sandbox::{Modules, Report, Task, Worker};
use medusa_tlog::{leaf_hash, verify_inclusion};
use medusa_types::{ChunkIndex, Fuel, METER, Outcome, Sha256Hash};
use serde_json::json;

use crate::env::Env;
use crate::exit::{Exit, Fail};
use crate::output::bytes_in_words;
use crate::signed::{Keys, Signatures};
use crate::{App, args, chunk};

/// What a run came to, here or there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Came {
    outcome: Outcome,
    output: Sha256Hash,
    fuel: Fuel,
}

pub(crate) async fn replay(app: &App, env: &Env, args: &args::Replay) -> anyhow::Result<Exit> {
    let run = app.client.chunk_run(args.job, ChunkIndex(args.chunk)).await?;
    if run.meter != METER {
        let message = format!("the job was metered by {}, this program has {METER}", run.meter);
        let next = "use the version of this program that the job ran under";
        return Err(Fail::new(Exit::General, message).next(next).into());
    }
    let verdict = match &run.accepted {
        Some(accepted) => Some((verdict(app, &run, accepted).await?, accepted.position)),
        None => None,
    };
    let signed = Signatures::of(&run.attempts, &keys(app, &run.attempts).await?);
    let report = compute(app, env, &run).await?;
    let here = Came {
        outcome: report.outcome,
        output: Sha256Hash::of(&report.output),
        fuel: Fuel(report.fuel),
    };
    if let Some(folder) = &args.out {
        for path in chunk::write(folder, &report.output, true).await? {
            app.out.say(&format!("wrote {}", path.display()));
        }
    }
    tell(app, (&run, signed), verdict, (here, &report))
}

/// What the server says is not so.
fn wrong(what: &str) -> Fail {
    let message = format!("the server's answer is not what is in the log: {what}");
    Fail::new(Exit::Unverified, message).next("`medusa audit verify` checks the whole log")
}

/// An event, which was shown to be in the tree.
async fn logged(app: &App, position: i64) -> anyhow::Result<Envelope> {
    let entry = app.client.audit_event(position).await?;
    let proof = app.client.audit_proof(position).await?;
    let leaf = leaf_hash(entry.body.as_bytes());
    let index = u64::try_from(position).unwrap_or_default().saturating_sub(1);
    let size = u64::try_from(proof.size).unwrap_or_default();
    let path: Vec<_> = proof.path.iter().map(|hash| hash.0).collect();
    if !verify_inclusion(leaf, index, size, &path, &proof.root.0) {
        return Err(wrong(&format!("event {position} is not in the tree")).into());
    }
    let context = || format!("event {position} cannot be read");
    Envelope::decode(entry.body.as_bytes()).with_context(context)
}

/// The keys of the machines that had the chunk, as far as they have one in the log.
async fn keys(app: &App, attempts: &[Attempt]) -> anyhow::Result<Keys> {
    let positions: BTreeSet<_> = attempts.iter().filter_map(|one| one.key_position).collect();
    let mut keys = Keys::default();
    for position in positions {
        if !keys.take(position, logged(app, position).await?.fact) {
            return Err(wrong(&format!("event {position} is no key of a machine")).into());
        }
    }
    Ok(keys)
}

/// The accepted result as the log has it.
async fn verdict(app: &App, run: &ChunkRun, accepted: &Accepted) -> anyhow::Result<Came> {
    let told = Came { outcome: accepted.outcome, output: accepted.output, fuel: accepted.fuel };
    let Some(position) = accepted.position else { return Ok(told) };
    match logged(app, position).await?.fact {
        Fact::ChunkVerified { job, chunk, outcome, output, fuel, .. }
            if job == run.job && chunk == run.chunk =>
        {
            let logged = Came { outcome, output, fuel };
            if logged == told { Ok(logged) } else { Err(wrong("another verdict").into()) }
        }
        _ => Err(wrong(&format!("event {position} is no verdict on this chunk")).into()),
    }
}

/// Runs the chunk as an agent does: compiled here, in a worker process that can be killed.
async fn compute(app: &App, env: &Env, run: &ChunkRun) -> anyhow::Result<Report> {
    let exe = std::env::current_exe().context("could not find this program's own file")?;
    let modules = Modules::new(env.compiled_folder()?, exe, vec!["sandbox-worker".to_owned()]);
    let program = run.program.sha256;
    let compiled = match modules.find(program, run.strict).await? {
        Some(compiled) => compiled,
        None => {
            let size = bytes_in_words(run.program.size);
            app.out.say(&format!("fetching and compiling the program, {size}"));
            let wasm = Bytes::from(app.client.chunk_program(run).await?);
            modules.compiled(program, run.strict, wasm).await?
        }
    };
    let mut inputs = Vec::with_capacity(run.inputs.len());
    for (place, input) in run.inputs.iter().enumerate() {
        inputs.push((input.path.clone(), app.client.chunk_input(run, place).await?));
    }
    let mut inputs = inputs.into_iter();
    let (_, stdin) = inputs.next().unwrap_or_default();
    let task = Task {
        args: run.args.clone(),
        env: run.env.clone(),
        stdin,
        files: inputs.collect(),
        seed: run.seed,
        clock_ms: run.clock_ms,
        limits: run.limits,
    };
    let mut worker = Worker::start(&modules, &compiled).await?;
    let report = worker.run(task).await?;
    worker.stop().await;
    Ok(report)
}

fn tell(
    app: &App,
    (run, signed): (&ChunkRun, Signatures),
    verdict: Option<(Came, Option<i64>)>,
    (here, report): (Came, &Report),
) -> anyhow::Result<Exit> {
    let differs = verdict.map(|(there, _)| differences(&here, &there)).unwrap_or_default();
    if app.out.json() {
        let shown = |came: Came| {
            json!({
                "outcome": came.outcome, "output": came.output, "fuel": came.fuel,
            })
        };
        app.out.value(&json!({
            "job": run.job,
            "chunk": run.chunk,
            "same": verdict.map(|_| differs.is_empty()),
            "differs": differs,
            "here": shown(here),
            "accepted": verdict.map(|(there, _)| shown(there)),
            "position": verdict.and_then(|(_, position)| position),
            "signed": signed.good,
            "badly_signed": signed.bad,
            "signed_by_others": signed.foreign,
            "unsigned_despite_key": signed.missing,
            "stderr": report.stderr,
        }))?;
        let is_right = differs.is_empty() && signed.is_right();
        return Ok(if is_right { Exit::Done } else { Exit::Unverified });
    }
    if here.outcome != Outcome::Done {
        app.out.say(&came_here(here.outcome));
        app.out.say(report.stderr.trim_end());
    }
    let there = |came: Came, name: &str| {
        vec![
            name.to_owned(),
            came.outcome.in_words(),
            came.fuel.0.to_string(),
            came.output.to_string(),
        ]
    };
    let mut rows = vec![there(here, "here")];
    rows.extend(verdict.map(|(came, position)| {
        let name = position.map_or_else(|| "accepted".to_owned(), |at| format!("log, event {at}"));
        there(came, &name)
    }));
    if verdict.is_none() {
        rows.extend(
            run.attempts.iter().filter_map(reported).map(|(came, name)| there(came, &name)),
        );
    }
    app.out.table(&["WHERE", "OUTCOME", "FUEL", "OUTPUT"], &rows)?;
    for words in signed.in_words() {
        app.out.say(&words);
    }
    match verdict {
        None => app.out.data("nothing is accepted yet, so there is nothing to compare with")?,
        Some(_) if differs.is_empty() => app.out.data("same, bit for bit")?,
        Some(_) => {
            app.out.data(&format!("different: {}", differs.join(", ")))?;
            if !here.outcome.is_verdict() {
                app.out.say("this machine came to no verdict: it is slower or smaller than needed");
            }
            return Ok(Exit::Unverified);
        }
    }
    Ok(if signed.is_right() { Exit::Done } else { Exit::Unverified })
}

/// How a run that did not finish ended on this machine.
fn came_here(outcome: Outcome) -> String {
    format!("here {}", outcome.in_words())
}

fn reported(attempt: &Attempt) -> Option<(Came, String)> {
    let (outcome, output, fuel) = (attempt.outcome?, attempt.output?, attempt.fuel?);
    Some((Came { outcome, output, fuel }, attempt.agent.to_string()))
}

fn differences(here: &Came, there: &Came) -> Vec<&'static str> {
    [
        (!here.outcome.is_like(there.outcome), "outcome"),
        (here.output != there.output, "output"),
        (here.fuel != there.fuel, "fuel"),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_one_sentence() {
        assert_eq!(came_here(Outcome::Exit(2)), "here the program ended with exit status 2");
        assert_eq!(came_here(Outcome::AgentFault), "here the agent could not run the chunk");
    }

    #[test]
    fn what_differs_is_named() {
        let came = Came { outcome: Outcome::Done, output: Sha256Hash::of(b"a"), fuel: Fuel(1) };
        assert!(differences(&came, &came).is_empty());
        let other = Came { outcome: Outcome::Trap, output: Sha256Hash::of(b"b"), fuel: Fuel(2) };
        assert_eq!(differences(&came, &other), ["outcome", "output", "fuel"]);
        let by_name = Came { outcome: Outcome::TableOut, ..other };
        assert!(differences(&by_name, &other).is_empty(), "an older version called it a trap");
        assert_eq!(differences(&came, &Came { fuel: Fuel(2), ..came }), ["fuel"]);
    }
}
