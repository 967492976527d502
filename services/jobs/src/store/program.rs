//! Programs and the gallery of ready-made jobs.

use medusa_api::{Example, JobSpec, Program};
use medusa_types::{ProgramId, Timestamp, UserId};
use sqlx::PgConnection;

use super::hash;
use crate::error::JobsError;

/// Adds a program; again under the same id changes nothing.
pub(crate) async fn insert(
    db: &mut PgConnection,
    owner: UserId,
    program: &Program,
    public: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into program (program_id, owner_id, is_public, name, sha256, size, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (program_id) do nothing",
        program.id.0,
        owner.0,
        public,
        program.name,
        program.sha256.0.as_slice(),
        i64::try_from(program.size).unwrap_or(i64::MAX),
        program.created_at.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A program that this person may run: an own one, or one of the house.
pub(crate) async fn usable(
    db: &mut PgConnection,
    id: ProgramId,
    user: UserId,
) -> sqlx::Result<Option<Program>> {
    let row = sqlx::query!(
        "select name, sha256, size, created_at from program
         where program_id = $1 and (owner_id = $2 or is_public)",
        id.0,
        user.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Program {
        id,
        name: row.name,
        sha256: hash(&row.sha256),
        size: u64::try_from(row.size).unwrap_or_default(),
        created_at: Timestamp::from_utc(row.created_at),
    }))
}

/// The newest programs of a person.
pub(crate) async fn of_owner(db: &mut PgConnection, user: UserId) -> sqlx::Result<Vec<Program>> {
    let rows = sqlx::query!(
        "select program_id, name, sha256, size, created_at from program
         where owner_id = $1 and not is_public order by program_id desc limit 100",
        user.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Program {
            id: ProgramId(row.program_id),
            name: row.name,
            sha256: hash(&row.sha256),
            size: u64::try_from(row.size).unwrap_or_default(),
            created_at: Timestamp::from_utc(row.created_at),
        })
        .collect())
}

/// Sets a ready-made job.
pub(crate) async fn put_example(db: &mut PgConnection, example: &Example) -> Result<(), JobsError> {
    let input = example.input.map(|hash| hash.0.to_vec());
    sqlx::query!(
        "insert into example (example_id, about, program_id, input, spec)
         values ($1, $2, $3, $4, $5)
         on conflict (example_id) do update set about = excluded.about,
             program_id = excluded.program_id, input = excluded.input, spec = excluded.spec",
        example.id,
        example.about,
        example.program.0,
        input,
        serde_json::to_value(&example.spec)?
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The gallery.
pub(crate) async fn examples(db: &mut PgConnection) -> Result<Vec<Example>, JobsError> {
    let rows = sqlx::query!(
        "select example_id, about, program_id, input, spec from example order by example_id"
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Example {
                id: row.example_id,
                about: row.about,
                program: ProgramId(row.program_id),
                input: row.input.map(|bytes| hash(&bytes)),
                spec: serde_json::from_value::<JobSpec>(row.spec)?,
            })
        })
        .collect()
}
