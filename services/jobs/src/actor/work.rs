//! What a job's actor does itself beside handing out chunks: it referees contradictions and puts
//! the results together. Both run beside the mailbox; what they come to is checked against the job
//! as it is then.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use medusa_events::{EndState, FileRef};
use medusa_types::Outcome;

use super::job::{JobActor, Refold};
use crate::domain::Refereed;
use crate::error::JobsError;
use crate::merge;

/// Chunks of one job that are run here at the same time: quotes and other jobs wait in the same
/// queue.
const REFEREED_MAX: usize = 2;
/// After a failure on our side.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

impl JobActor {
    /// Runs chunks here that agents cannot settle among themselves.
    pub(super) fn call_referee(&mut self, ctx: &mut Context<Self>) {
        while self.refereeing.len() < REFEREED_MAX {
            let Some(chunk) = self.doubtful.pop_first() else { return };
            if self.job.needs_referee(chunk, &self.fleet) && self.refereeing.insert(chunk) {
                self.run_referee(chunk, ctx);
            }
        }
    }

    fn run_referee(&self, chunk: u32, ctx: &mut Context<Self>) {
        tracing::info!(job = %self.id(), chunk, "a chunk is checked here");
        let (orders, context) = (Arc::clone(&self.orders), self.context.clone());
        let (limit, below) = (self.job.fuel_limit(), self.job.below(chunk));
        let run = async move {
            let ran = orders.run(context.runner.as_ref(), (chunk, &below), limit, None).await?;
            let output_bytes = u64::try_from(ran.output.len()).unwrap_or(u64::MAX);
            let output = context.blobs.put(ran.output).await?;
            let refereed = Refereed { outcome: ran.outcome, output, output_bytes, fuel: ran.fuel };
            Ok::<_, JobsError>((refereed, ran.stderr))
        };
        ctx.spawn(run.into_actor(self).map(move |result, act, ctx| {
            act.refereeing.remove(&chunk);
            let (refereed, stderr) = match result {
                Ok(done) => done,
                Err(error) => {
                    tracing::error!(%error, "the referee could not run a chunk");
                    ctx.notify_later(Refold, AGAIN_AFTER);
                    return;
                }
            };
            act.refereed(chunk, refereed, &stderr, ctx);
            if act.job.ended().is_none() {
                act.call_referee(ctx);
                act.wake(ctx);
            }
        }));
    }

    fn refereed(&mut self, chunk: u32, refereed: Refereed, stderr: &str, ctx: &mut Context<Self>) {
        if refereed.outcome != Outcome::Done {
            self.last_words = refereed.outcome.in_words();
            if !stderr.trim().is_empty() {
                self.last_words = format!("{}:\n{}", self.last_words, stderr.trim_end());
            }
        }
        let facts = if refereed.outcome.is_verdict() {
            self.job.refereed(chunk, refereed)
        } else {
            // Nobody can say what is right; nobody is blamed.
            self.job.end(EndState::Failed, Some("jobs.program_failed"))
        };
        self.record_and_withdraw(facts, None, ctx);
    }

    /// Puts the results together, once at a time.
    pub(super) fn merge(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.merging, true) {
            return;
        }
        let (blobs, plan) = (self.context.blobs.clone(), Arc::clone(&self.plan));
        let (rules, outputs) = (self.spec.merge.clone(), self.job.outputs());
        let root = self.spec.merge_by.is_some();
        let work = async move {
            if root {
                // One result stands for all: the rules go by what it is made of.
                merge::merge_some(&blobs, &rules, &plan, &outputs).await
            } else {
                merge::merge(&blobs, &rules, &plan, &outputs).await
            }
        };
        ctx.spawn(work.into_actor(self).map(|merged, act, ctx| act.merged(merged, ctx)));
    }

    fn merged(&mut self, merged: Result<Vec<FileRef>, merge::MergeError>, ctx: &mut Context<Self>) {
        self.merging = false;
        if !self.job.merging() || !self.job.complete() {
            // The log did not take what this was built on.
            return;
        }
        let facts = match merged {
            Ok(results) => self.job.finish(results),
            Err(error) if error.code() == "platform.internal" => {
                tracing::error!(%error, "the results could not be merged; trying again");
                ctx.notify_later(Refold, AGAIN_AFTER);
                return;
            }
            Err(error) => {
                tracing::info!(job = %self.id(), %error, "the results could not be merged");
                self.last_words = error.to_string();
                self.job.end(EndState::Failed, Some(error.code()))
            }
        };
        self.record(facts, None, ctx);
    }
}
