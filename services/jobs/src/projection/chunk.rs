//! What a batch of events changes about chunks, and the statement that writes it. A chunk that
//! nobody has taken yet has no row.
#![expect(clippy::as_conversions, reason = "the query macros name a parameter's type with `as`")]

use medusa_api::ResultFile;
use medusa_events::FileRef;
use medusa_types::{JobId, Outcome};
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Default)]
pub(super) struct ChunkChange {
    pub(super) live: i32,
    pub(super) attempts: i32,
    pub(super) verified: Option<Verified>,
    pub(super) price: i64,
}

pub(super) struct Verified {
    pub(super) verdict: String,
    pub(super) outcome: Outcome,
    pub(super) output: Vec<u8>,
    pub(super) fuel: i64,
}

pub(super) fn next_state(old: &str, live: i32, verified: Option<&Verified>) -> &'static str {
    match (verified, old) {
        (Some(v), _) if v.outcome != Outcome::Done => "failed",
        (Some(v), _) if v.verdict == "unverified" => "unverified",
        (Some(_), _) | (None, "verified") => "verified",
        (None, "unverified") => "unverified",
        (None, "failed") => "failed",
        (None, _) if live > 0 => "leased",
        (None, _) => "waiting",
    }
}

/// Result files with a media type by their name.
pub(crate) fn result_files(files: &[FileRef]) -> Vec<ResultFile> {
    let media_type = |name: &str| match name.rsplit_once('.').map(|(_, end)| end) {
        Some("png") => "image/png",
        Some("csv") => "text/csv; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    };
    let file = |f: &FileRef| ResultFile {
        name: f.name.clone(),
        sha256: f.sha256,
        size: f.size,
        media_type: media_type(&f.name).to_owned(),
    };
    files.iter().map(file).collect()
}

/// Columns of the chunks that a batch changes.
#[derive(Default)]
pub(super) struct ChunkRows {
    jobs: Vec<Uuid>,
    indexes: Vec<i32>,
    states: Vec<String>,
    lives: Vec<i32>,
    attempts: Vec<i32>,
    prices: Vec<i64>,
    verdicts: Vec<Option<String>>,
    outcomes: Vec<Option<serde_json::Value>>,
    outputs: Vec<Option<Vec<u8>>>,
    fuels: Vec<Option<i64>>,
}

impl ChunkRows {
    pub(super) fn push(&mut self, key: (JobId, i32), state: &str, live: i32, change: &ChunkChange) {
        let verified = change.verified.as_ref();
        self.jobs.push(key.0.0);
        self.indexes.push(key.1);
        self.states.push(state.to_owned());
        self.lives.push(live);
        self.attempts.push(change.attempts);
        self.prices.push(change.price);
        self.verdicts.push(verified.map(|v| v.verdict.clone()));
        self.outcomes.push(verified.and_then(|v| serde_json::to_value(v.outcome).ok()));
        self.outputs.push(verified.map(|v| v.output.clone()));
        self.fuels.push(verified.map(|v| v.fuel));
    }

    pub(super) async fn write(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into chunk (job_id, index, state, live, attempts, price, verdict, outcome,
                 output, fuel)
             select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::integer[],
                 $5::integer[], $6::bigint[], $7::text[], $8::jsonb[], $9::bytea[], $10::bigint[])
             on conflict (job_id, index) do update
             set state = excluded.state, live = excluded.live,
                 attempts = chunk.attempts + excluded.attempts,
                 price = chunk.price + excluded.price,
                 verdict = coalesce(excluded.verdict, chunk.verdict),
                 outcome = coalesce(excluded.outcome, chunk.outcome),
                 output = coalesce(excluded.output, chunk.output),
                 fuel = coalesce(excluded.fuel, chunk.fuel)",
            &self.jobs,
            &self.indexes,
            &self.states,
            &self.lives,
            &self.attempts,
            &self.prices,
            &self.verdicts as &[Option<String>],
            &self.outcomes as &[Option<serde_json::Value>],
            &self.outputs as &[Option<Vec<u8>>],
            &self.fuels as &[Option<i64>]
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
