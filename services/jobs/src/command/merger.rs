//! The consumer's own program that puts results together: found, and tried out for the quote.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use medusa_api::{BlobInfo, MergePreview, Program, QuoteRequest, SpecError};
use medusa_types::{Fuel, Outcome, UserId};
use sqlx::PgConnection;

use super::Jobs;
use super::sizing::{done, len, middle};
use crate::domain::Tree;
use crate::error::JobsError;
use crate::merge::MergeError;
use crate::merge::tried::{Sample, tried};
use crate::split::Plan;
use crate::store;

impl Jobs {
    /// Finds the program that merges, if one is named, and notes its module.
    pub(super) async fn take_merger(
        &self,
        db: &mut PgConnection,
        user: UserId,
        request: &mut QuoteRequest,
    ) -> Result<(), JobsError> {
        let Some(by) = &mut request.spec.merge_by else { return Ok(()) };
        let program = store::program::usable(db, by.program, user).await?;
        let program = program.ok_or(JobsError::Missing("program"))?;
        if program.script.is_some() {
            return Err(JobsError::Spec(vec![SpecError {
                pointer: "/merge_by/program",
                message: "results are put together by a module, not by a script; compile it to \
                          wasm32-wasi, or use the rules of merge",
            }]));
        }
        by.module = Some(BlobInfo { sha256: program.sha256, size: program.size });
        Ok(())
    }

    /// Tries how results are put together on what the sample wrote, which was a whole chunk or a
    /// part of one: by the program that merges, where there is one, and by the rules.
    pub(super) async fn try_merges(
        &self,
        program: &Program,
        request: &QuoteRequest,
        plan: &Arc<Plan>,
        (result, whole): (&Bytes, bool),
    ) -> Result<Option<MergePreview>, JobsError> {
        let Some(by) = &request.spec.merge_by else {
            self.try_rules(program, request, plan, result).await?;
            return Ok(None);
        };
        let chunks = u32::try_from(plan.count()).unwrap_or(u32::MAX);
        let tree = Tree::new(chunks, by.fan_in);
        let output = if whole {
            result.clone()
        } else {
            done(self.try_plan(program, request, plan, (middle(plan), &[])).await?)?.output
        };
        let (read, children) = (len(&output), tree.children(chunks).len());
        let output = self.parts.blobs.put(output).await?;
        let below = vec![output; children];
        let node = self.try_plan(program, request, plan, (middle(plan), &below)).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::retention::set_aside(&mut db, &[output], self.parts.clock.now()).await?;
        drop(db);
        let ran = done(node).map_err(|error| match error {
            JobsError::Sample(how) => JobsError::Sample(format!("putting results together: {how}")),
            other => other,
        })?;
        let written = len(&ran.output);
        let sample = Sample { output: ran.output, chunk: None };
        tried(&request.spec.merge, vec![sample]).await?;
        let read = read.saturating_mul(u64::try_from(children).unwrap_or(u64::MAX));
        Ok(Some(MergePreview {
            nodes: tree.nodes(),
            sample_fuel: Fuel(ran.fuel.0.max(1)),
            sample_bytes: read.saturating_add(written),
        }))
    }

    /// Tries the rules on what the sample wrote. Where that has not the file of a rule, the first
    /// and the last chunk are asked too: not every chunk need have something to write.
    async fn try_rules(
        &self,
        program: &Program,
        request: &QuoteRequest,
        plan: &Arc<Plan>,
        result: &Bytes,
    ) -> Result<(), JobsError> {
        let rules = &request.spec.merge;
        let sample = |chunk: u32, output| Sample { output, chunk: plan.get(chunk.into()) };
        let mut samples = vec![sample(middle(plan), result.clone())];
        match tried(rules, samples.clone()).await {
            Err(MergeError::Misfit { missing: true, .. }) => {}
            other => return Ok(other?),
        }
        let last = u32::try_from(plan.count()).unwrap_or(u32::MAX).saturating_sub(1);
        let others = BTreeSet::from([0, last]);
        for chunk in others.into_iter().filter(|chunk| *chunk != middle(plan)) {
            let ran = self.try_plan(program, request, plan, (chunk, &[])).await?;
            if ran.outcome != Outcome::Done {
                // It cannot be told what it would have written.
                return Ok(());
            }
            samples.push(sample(chunk, ran.output));
        }
        Ok(tried(rules, samples).await?)
    }
}
