//! Programs and the gallery of ready-made jobs.

use medusa_api::{Example, JobSpec, Program, ProgramUpload, Script};
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
    let script = program.script.as_ref();
    sqlx::query!(
        "insert into program (program_id, owner_id, is_public, name, sha256, size, created_at,
             script, script_size, runtime, runtime_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (program_id) do nothing",
        program.id.0,
        owner.0,
        public,
        program.name,
        program.sha256.0.as_slice(),
        i64::try_from(program.size).unwrap_or(i64::MAX),
        program.created_at.to_utc(),
        script.map(|script| script.sha256.0.to_vec()),
        script.map(|script| i64::try_from(script.size).unwrap_or(i64::MAX)),
        script.map(|script| &script.runtime),
        script.map(|script| &script.version)
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A program with how its runtime is called, as the tables have it.
struct Row {
    program_id: uuid::Uuid,
    name: String,
    sha256: Vec<u8>,
    size: i64,
    created_at: time::OffsetDateTime,
    script: Option<Vec<u8>>,
    script_size: Option<i64>,
    runtime: Option<String>,
    runtime_version: Option<String>,
    calling: Option<serde_json::Value>,
}

/// The programs of a condition, each as a [`Row`].
macro_rules! programs {
    ($condition:literal, $($value:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"select p.program_id, p.name, p.sha256, p.size, p.created_at, p.script, p.script_size,
               p.runtime, p.runtime_version, r.calling as "calling?"
           from program p
           left join runtime r on r.name = p.runtime and r.version = p.runtime_version
           where "# + $condition,
            $($value),+
        )
    };
}

impl Row {
    fn program(self) -> Result<Program, JobsError> {
        let runtime = self.runtime.zip(self.runtime_version).zip(self.calling);
        let script = match self.script.zip(runtime) {
            None => None,
            Some((sha256, ((runtime, version), calling))) => Some(Script {
                sha256: hash(&sha256),
                size: u64::try_from(self.script_size.unwrap_or_default()).unwrap_or_default(),
                runtime,
                version,
                calling: serde_json::from_value(calling)?,
            }),
        };
        Ok(Program {
            id: ProgramId(self.program_id),
            name: self.name,
            sha256: hash(&self.sha256),
            size: u64::try_from(self.size).unwrap_or_default(),
            script,
            created_at: Timestamp::from_utc(self.created_at),
        })
    }
}

/// A program that this person may run: an own one, or one of the house.
pub(crate) async fn usable(
    db: &mut PgConnection,
    id: ProgramId,
    user: UserId,
) -> Result<Option<Program>, JobsError> {
    let row = programs!(r#"p.program_id = $1 and (p.owner_id = $2 or p.is_public)"#, id.0, user.0)
        .fetch_optional(db)
        .await?;
    row.map(Row::program).transpose()
}

/// The program that an upload of a person makes, if it is there: of these bytes under this name,
/// and a script for the version of its runtime that is offered now. What the id stands for already
/// is looked at first, and then nothing else is.
pub(crate) async fn same(
    db: &mut PgConnection,
    (owner, id): (UserId, ProgramId),
    upload: &ProgramUpload,
    public: bool,
) -> Result<Option<Program>, JobsError> {
    let row = programs!(
        r#"p.owner_id = $1 and p.is_public = $3 and p.name = $4
             and coalesce(p.script, p.sha256) = $5 and p.runtime is not distinct from $6
             and r.retired_at is null
             and (p.program_id = $2
                  or not exists (select from program earlier where earlier.program_id = $2))
           order by p.created_at, p.program_id limit 1"#,
        owner.0,
        id.0,
        public,
        upload.name,
        upload.sha256.0.as_slice(),
        upload.runtime.as_deref()
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::program).transpose()
}

/// The newest programs of a person.
pub(crate) async fn of_owner(
    db: &mut PgConnection,
    user: UserId,
) -> Result<Vec<Program>, JobsError> {
    let rows = programs!(
        r#"p.owner_id = $1 and not p.is_public order by p.program_id desc limit 100"#,
        user.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::program).collect()
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

/// The gallery, without the scripts whose runtime is not offered any more.
pub(crate) async fn examples(db: &mut PgConnection) -> Result<Vec<Example>, JobsError> {
    let rows = sqlx::query!(
        "select e.example_id, e.about, e.program_id, e.input, e.spec
         from example e
         join program p on p.program_id = e.program_id
         left join runtime r on r.name = p.runtime and r.version = p.runtime_version
         where r.retired_at is null order by e.example_id"
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
