//! The consumer's own program that puts results together: found, and tried out for the quote.

use std::sync::Arc;

use medusa_api::{BlobInfo, MergePreview, Program, QuoteRequest, SpecError};
use medusa_types::{Fuel, UserId};
use sqlx::PgConnection;

use super::Jobs;
use super::sizing::{done, len};
use crate::domain::Tree;
use crate::error::JobsError;
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

    /// Runs the merger over copies of the sample chunk's result.
    pub(super) async fn try_merger(
        &self,
        program: &Program,
        request: &QuoteRequest,
        plan: &Arc<Plan>,
    ) -> Result<Option<MergePreview>, JobsError> {
        let Some(by) = &request.spec.merge_by else { return Ok(None) };
        let chunks = u32::try_from(plan.count()).unwrap_or(u32::MAX);
        let tree = Tree::new(chunks, by.fan_in);
        let (leaf, _) = self.try_plan(program, request, plan, &[]).await?;
        let output = done(leaf)?.output;
        let (read, children) = (len(&output), tree.children(chunks).len());
        let output = self.parts.blobs.put(output).await?;
        let (node, _) = self.try_plan(program, request, plan, &vec![output; children]).await?;
        let mut db = self.parts.log.pool().acquire().await?;
        store::retention::set_aside(&mut db, &[output], self.parts.clock.now()).await?;
        drop(db);
        let ran = done(node).map_err(|error| match error {
            JobsError::Sample(how) => JobsError::Sample(format!("putting results together: {how}")),
            other => other,
        })?;
        let read = read.saturating_mul(u64::try_from(children).unwrap_or(u64::MAX));
        Ok(Some(MergePreview {
            nodes: tree.nodes(),
            sample_fuel: Fuel(ran.fuel.0.max(1)),
            sample_bytes: read.saturating_add(len(&ran.output)),
        }))
    }
}
