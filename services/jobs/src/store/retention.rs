//! Which jobs' files are deleted, and which blobs nobody needs any more. Blobs are shared: one goes
//! only when no upload, program, runtime, example, quote and no job that keeps its files has it.

use medusa_api::{DeletedWhy, FilesDeleted, Job};
use medusa_types::{JobId, Sha256Hash, Timestamp, UserId, Uuid};
use sqlx::PgConnection;

use super::hash;

/// Jobs that are looked at in one round.
pub(crate) const JOBS_MAX: i64 = 20;
/// Blobs that are looked at in one round.
pub(crate) const BLOBS_MAX: i64 = 10_000;

fn columns(hashes: &[Sha256Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

fn hashes(rows: Vec<Vec<u8>>) -> Vec<Sha256Hash> {
    rows.iter().map(|bytes| hash(bytes)).collect()
}

/// Adds to jobs until when their files are kept, or since when they are deleted.
pub(crate) async fn show(
    db: &mut PgConnection,
    jobs: &mut [Job],
    keep_ms: i64,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let rows = sqlx::query!(
        "select job_id, deleted_at, why, position from job_files where job_id = any($1)",
        &ids
    )
    .fetch_all(db)
    .await?;
    for job in jobs {
        let row = rows.iter().find(|row| row.job_id == job.id.0);
        job.files_deleted = row.map(|row| FilesDeleted {
            at: Timestamp::from_utc(row.deleted_at),
            why: if row.why == "asked" { DeletedWhy::Asked } else { DeletedWhy::Retention },
        });
        job.kept_until = match job.files_deleted {
            Some(_) => None,
            None => job.finished_at.map(|at| at.plus_ms(keep_ms)),
        };
        job.position = job.position.max(row.map_or(0, |row| row.position));
    }
    Ok(())
}

/// Jobs that ended before a time and keep their files, oldest first.
pub(crate) async fn due(
    db: &mut PgConnection,
    before: Timestamp,
) -> sqlx::Result<Vec<(JobId, UserId, bool)>> {
    let rows = sqlx::query!(
        r#"select job_id, owner_id, input is not null as "input!" from job
           where finished_at < $1
             and not exists (select 1 from job_files f where f.job_id = job.job_id)
           order by finished_at limit $2"#,
        before.to_utc(),
        JOBS_MAX
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (JobId(row.job_id), UserId(row.owner_id), row.input)).collect())
}

/// Jobs whose files are deleted and whose blobs were not looked through.
pub(crate) async fn unswept(db: &mut PgConnection) -> sqlx::Result<Vec<JobId>> {
    let ids = sqlx::query_scalar!(
        "select job_id from job_files f
         where not exists (select 1 from job_files_swept s where s.job_id = f.job_id)
         order by deleted_at limit $1",
        JOBS_MAX
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}

/// Notes that the blobs of these jobs were looked through. What their programs said on standard
/// error goes here too.
pub(crate) async fn set_swept(db: &mut PgConnection, jobs: &[JobId]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    sqlx::query!(
        "insert into job_files_swept (job_id) select * from unnest($1::uuid[])
         on conflict do nothing",
        &ids
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from job_blob where job_id = any($1)", &ids).execute(&mut *db).await?;
    sqlx::query!("delete from attempt_log where job_id = any($1)", &ids).execute(db).await?;
    Ok(())
}

/// Notes of every job which blobs its plan and its spec name; `false` when there may be more jobs.
pub(crate) async fn note_needs(db: &mut PgConnection) -> sqlx::Result<bool> {
    let noted = sqlx::query!(
        r#"with fresh as (
               select s.job_id, s.spec::text as spec, coalesce(s.plan::text,
                   (select convert_from(p.json, 'UTF8') from plan p where p.quote_id = s.quote_id),
                   '') as plan
               from submission s
               where not exists (select 1 from job_blob_noted n where n.job_id = s.job_id)
               limit $1
           ), named as (
               insert into job_blob (sha256, job_id)
               select distinct decode(m[1], 'hex'), f.job_id
               from fresh f, regexp_matches(f.spec || f.plan, '"([0-9a-f]{64})"', 'g') m
               on conflict do nothing
           )
           insert into job_blob_noted (job_id) select job_id from fresh on conflict do nothing"#,
        JOBS_MAX
    )
    .execute(db)
    .await?;
    Ok(i64::try_from(noted.rows_affected()).unwrap_or_default() < JOBS_MAX)
}

/// Takes the inputs of these jobs from their owners, unless they use them elsewhere or have
/// uploaded them again since.
pub(crate) async fn disown_inputs(db: &mut PgConnection, jobs: &[JobId]) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    sqlx::query!(
        "delete from blob_owner o using job d
         where d.job_id = any($1) and o.sha256 = d.input and o.owner_id = d.owner_id
           and o.created_at <= d.created_at
           and not exists (select 1 from job j where j.input = o.sha256
                           and j.owner_id = o.owner_id
                           and not exists (select 1 from job_files f where f.job_id = j.job_id))
           and not exists (select 1 from quote q where q.input = o.sha256
                           and q.owner_id = o.owner_id and q.job_id is null)
           and not exists (select 1 from program p
                           where (p.sha256 = o.sha256 or p.script = o.sha256)
                             and p.owner_id = o.owner_id)",
        &ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes uploads from before a time from their owners when they are in no use; names them.
pub(crate) async fn disown_unused(
    db: &mut PgConnection,
    before: Timestamp,
) -> sqlx::Result<Vec<Sha256Hash>> {
    let rows = sqlx::query_scalar!(
        "delete from blob_owner where (sha256, owner_id) in (
             select o.sha256, o.owner_id from blob_owner o
             where o.created_at < $1
               and not exists (select 1 from job j where j.input = o.sha256
                               and j.owner_id = o.owner_id
                               and not exists (select 1 from job_files f
                                               where f.job_id = j.job_id))
               and not exists (select 1 from quote q where q.input = o.sha256
                               and q.owner_id = o.owner_id and q.job_id is null)
               and not exists (select 1 from program p
                               where p.sha256 = o.sha256 or p.script = o.sha256)
               and not exists (select 1 from runtime r where r.sha256 = o.sha256)
               and not exists (select 1 from example e where e.input = o.sha256)
             order by o.created_at limit $2)
         returning sha256",
        before.to_utc(),
        BLOBS_MAX
    )
    .fetch_all(db)
    .await?;
    Ok(hashes(rows))
}

/// Of these blobs, and of those that the files of these jobs are made of, the ones that nobody
/// needs. One statement: it sees one state of all tables.
pub(crate) async fn unneeded(
    db: &mut PgConnection,
    jobs: &[JobId],
    blobs: &[Sha256Hash],
) -> sqlx::Result<Vec<Sha256Hash>> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let rows = sqlx::query_scalar!(
        r#"with asked as (
               select * from unnest($2::bytea[]) as b (sha256)
               union select input from job where job_id = any($1) and input is not null
               union select decode(r ->> 'sha256', 'hex')
                     from job, jsonb_array_elements(results) r where job_id = any($1)
               union select output from chunk where job_id = any($1) and output is not null
               union select output from lease where job_id = any($1) and output is not null
               union select sha256 from job_blob where job_id = any($1)
           ), kept as (
               select job_id, input, results from job j
               where not exists (select 1 from job_files f where f.job_id = j.job_id)
           )
           select a.sha256 as "sha256!" from asked a
           where not exists (select 1 from blob_owner o where o.sha256 = a.sha256)
             and not exists (select 1 from program p
                             where p.sha256 = a.sha256 or p.script = a.sha256)
             and not exists (select 1 from runtime r where r.sha256 = a.sha256)
             and not exists (select 1 from example e where e.input = a.sha256)
             and not exists (select 1 from quote q where q.input = a.sha256 and q.job_id is null)
             and not exists (select 1 from kept k where k.input = a.sha256)
             and not exists (select 1 from kept k join job_blob b on b.job_id = k.job_id
                             where b.sha256 = a.sha256)
             and not exists (select 1 from kept k, jsonb_array_elements(k.results) r
                             where decode(r ->> 'sha256', 'hex') = a.sha256)
             and not exists (select 1 from kept k join chunk c on c.job_id = k.job_id
                             where c.output = a.sha256)
             and not exists (select 1 from kept k join lease l on l.job_id = k.job_id
                             where l.output = a.sha256)"#,
        &ids,
        &columns(blobs)
    )
    .fetch_all(db)
    .await?;
    Ok(hashes(rows))
}

/// Notes that blobs are set aside.
pub(crate) async fn set_aside(
    db: &mut PgConnection,
    blobs: &[Sha256Hash],
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into blob_trash (sha256, since) select sha256, $2 from unnest($1::bytea[]) b (sha256)
         on conflict (sha256) do update set since = excluded.since",
        &columns(blobs),
        now.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Blobs that were set aside before a time.
pub(crate) async fn aside_since(
    db: &mut PgConnection,
    before: Timestamp,
) -> sqlx::Result<Vec<Sha256Hash>> {
    let rows = sqlx::query_scalar!(
        "select sha256 from blob_trash where since < $1 order by since limit $2",
        before.to_utc(),
        BLOBS_MAX
    )
    .fetch_all(db)
    .await?;
    Ok(hashes(rows))
}

/// Forgets that a blob was set aside.
pub(crate) async fn forget_aside(db: &mut PgConnection, blob: Sha256Hash) -> sqlx::Result<()> {
    sqlx::query!("delete from blob_trash where sha256 = $1", blob.0.as_slice()).execute(db).await?;
    Ok(())
}
