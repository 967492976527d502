//! Two runs side by side: were they asked the same, did they give the same, what did each cost.

use std::collections::BTreeSet;

use medusa_api::{ComparedFile, Comparison, Job as JobView, RunFigures};
use medusa_platform::Principal;
use medusa_types::{ChunkIndex, Fuel, JobId, Sha256Hash};
use serde_json::Value;

use super::Jobs;
use crate::error::JobsError;
use crate::store;

impl Jobs {
    /// Compares two jobs that the person may see.
    ///
    /// # Errors
    /// [`JobsError::Missing`] when one of them is not there or somebody else's.
    pub async fn compare(
        &self,
        who: &Principal,
        left: JobId,
        right: JobId,
    ) -> Result<Comparison, JobsError> {
        let (a, b) = (self.readable(who, left).await?, self.readable(who, right).await?);
        let mut db = self.parts.log.pool().acquire().await?;
        let chunks = store::record::compare(&mut db, left, right).await?;
        let (work_a, work_b) =
            (store::record::work(&mut db, left).await?, store::record::work(&mut db, right).await?);
        drop(db);
        Ok(Comparison {
            asked_differently: asked_differently(&a, &b)?,
            chunks_equal: chunks.equal,
            chunks_different: chunks.different,
            chunks_alone: chunks.alone,
            first_different: chunks.first_different.map(ChunkIndex),
            results: compared(&a, &b),
            left: figures(&a, work_a),
            right: figures(&b, work_b),
        })
    }
}

fn figures(job: &JobView, (attempts, fuel): (u64, Fuel)) -> RunFigures {
    let ms = job.finished_at.map(|end| end.ms_since(job.created_at));
    RunFigures {
        job: job.id,
        name: job.spec.name.clone(),
        state: job.state,
        chunks: job.counts.total,
        done: job.counts.done(),
        attempts,
        fuel,
        spent: job.cost.spent,
        created_at: job.created_at,
        ms: ms.and_then(|ms| u64::try_from(ms).ok()),
    }
}

/// What changes the result or its price; the name of a job does not.
fn asked_differently(a: &JobView, b: &JobView) -> Result<Vec<String>, JobsError> {
    let mut differ = Vec::new();
    differ.extend((a.program != b.program).then(|| "program".to_owned()));
    differ.extend((a.input != b.input).then(|| "input".to_owned()));
    let (a, b) = (serde_json::to_value(&a.spec)?, serde_json::to_value(&b.spec)?);
    let names = |spec: &Value| -> BTreeSet<String> {
        spec.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    let fields = names(&a).union(&names(&b)).cloned().collect::<Vec<_>>();
    let unlike = |field: &String| field != "name" && a.get(field) != b.get(field);
    differ.extend(fields.into_iter().filter(unlike));
    Ok(differ)
}

/// The result files of both, by name.
fn compared(a: &JobView, b: &JobView) -> Vec<ComparedFile> {
    let names: BTreeSet<&str> =
        a.results.iter().chain(&b.results).map(|file| file.name.as_str()).collect();
    let digest = |job: &JobView, name: &str| -> Option<Sha256Hash> {
        job.results.iter().find(|file| file.name == name).map(|file| file.sha256)
    };
    let file = |name: &str| ComparedFile {
        name: name.to_owned(),
        left: digest(a, name),
        right: digest(b, name),
    };
    names.into_iter().map(file).collect()
}
