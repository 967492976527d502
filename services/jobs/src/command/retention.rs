//! Deleting the input and the results of jobs that have ended: when their owner asks for it, and
//! when their time is over. The log says so; a sweep then finds the blobs that nobody needs.

use std::collections::BTreeSet;

use medusa_api::Job as JobView;
use medusa_eventlog::{NewEvent, Operation};
use medusa_events::Fact;
use medusa_types::{JobId, Sha256Hash, UserId};

use super::Jobs;
use crate::error::JobsError;
use crate::store::retention::{BLOBS_MAX, JOBS_MAX};
use crate::{start, store};

impl Jobs {
    /// Deletes the input and the results of a job of this person. Again, it changes nothing.
    ///
    /// # Errors
    /// [`JobsError::Missing`] also when it is somebody else's; [`JobsError::NotEnded`].
    pub async fn delete_files(&self, user: UserId, id: JobId) -> Result<JobView, JobsError> {
        let job = self.job(user, id).await?;
        if !job.state.is_final() {
            return Err(JobsError::NotEnded);
        }
        if job.files_deleted.is_some() {
            return Ok(job);
        }
        self.record_deletion((id, user), job.input.is_some(), Some(user)).await?;
        self.job(user, id).await
    }

    async fn record_deletion(
        &self,
        (job, owner): (JobId, UserId),
        input: bool,
        by: Option<UserId>,
    ) -> Result<(), JobsError> {
        let what = [input.then_some("input"), Some("results")];
        let what = what.into_iter().flatten().map(str::to_owned).collect();
        let why = if by.is_some() { "asked" } else { "retention" }.to_owned();
        let fact = Fact::FilesDeleted { job, owner, what, why };
        // The same for both reasons: of two at the same time, one is written.
        let request = start::json_hash(&(job, "files"))?;
        let operation = Operation::house(format!("files:{job}"), request);
        let mut event = NewEvent::new(format!("job-{job}"), fact);
        if let Some(user) = by {
            event = event.by(user);
        }
        self.parts.log.append_one(Some(operation), event).await?;
        self.parts.progress.reached(self.parts.log.head()).await;
        Ok(())
    }

    /// One round: deletes what is over its time, sets aside the blobs that nobody needs, and throws
    /// away those that nobody has asked for since. Cut off anywhere, the next round goes on.
    /// Says whether there may be more to do at once.
    ///
    /// # Errors
    /// When database, log or object store fail.
    pub(crate) async fn sweep_files(&self) -> Result<bool, JobsError> {
        let (config, now) = (&self.parts.config, self.parts.clock.now());
        let old = now.plus_ms(config.files_keep_ms.saturating_neg());
        let mut db = self.parts.log.pool().acquire().await?;
        let due = store::retention::due(&mut db, old).await?;
        let mut more = full(due.len(), JOBS_MAX);
        for (job, owner, input) in due {
            self.record_deletion((job, owner), input, None).await?;
        }
        let unused = store::retention::disown_unused(&mut db, old).await?;
        let jobs = store::retention::unswept(&mut db).await?;
        more |= full(unused.len(), BLOBS_MAX) || full(jobs.len(), JOBS_MAX);
        if !jobs.is_empty() || !unused.is_empty() {
            while !store::retention::note_needs(&mut db).await? {}
            store::retention::disown_inputs(&mut db, &jobs).await?;
            let blobs = store::retention::unneeded(&mut db, &jobs, &unused).await?;
            self.set_aside(&blobs).await?;
            store::retention::set_swept(&mut db, &jobs).await?;
        }
        let long = now.plus_ms(config.files_aside_ms.saturating_neg());
        let aside = store::retention::aside_since(&mut db, long).await?;
        if aside.is_empty() {
            return Ok(more);
        }
        more |= full(aside.len(), BLOBS_MAX);
        while !store::retention::note_needs(&mut db).await? {}
        let unneeded = store::retention::unneeded(&mut db, &[], &aside).await?;
        let unneeded: BTreeSet<Sha256Hash> = unneeded.into_iter().collect();
        drop(db);
        for blob in aside {
            self.settle_aside(blob, unneeded.contains(&blob)).await?;
        }
        Ok(more)
    }

    /// Noted before it is done: what is noted is looked at again.
    async fn set_aside(&self, blobs: &[Sha256Hash]) -> Result<(), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        store::retention::set_aside(&mut db, blobs, self.parts.clock.now()).await?;
        drop(db);
        for blob in blobs {
            self.parts.blobs.set_aside(*blob).await?;
        }
        Ok(())
    }

    /// What was asked for meanwhile stands in its place again, and may be needed or not.
    async fn settle_aside(&self, blob: Sha256Hash, unneeded: bool) -> Result<(), JobsError> {
        let blobs = &self.parts.blobs;
        let mut db = self.parts.log.pool().acquire().await?;
        if unneeded {
            blobs.throw_away(blob).await?;
            if blobs.set_aside(blob).await? {
                let now = self.parts.clock.now();
                return Ok(store::retention::set_aside(&mut db, &[blob], now).await?);
            }
        } else {
            blobs.put_back(blob).await?;
        }
        Ok(store::retention::forget_aside(&mut db, blob).await?)
    }
}

fn full(count: usize, max: i64) -> bool {
    i64::try_from(count).is_ok_and(|count| count >= max)
}

/// That a job still has its input and its results.
pub(super) fn kept(job: &JobView) -> Result<(), JobsError> {
    match job.files_deleted {
        Some(deleted) => Err(JobsError::FilesDeleted(deleted)),
        None => Ok(()),
    }
}
