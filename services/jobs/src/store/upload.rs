//! Uploads in parts: how far each is, and which parts it has.

use medusa_api::{BlobInfo, UploadState};
use medusa_types::{AgentId, LeaseId, Sha256Hash, Timestamp, UploadId, UserId, Uuid};
use sqlx::PgConnection;

use super::hash;
use crate::domain::gaps::Gaps;

/// Whose upload it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A person's, of an input.
    Person(UserId),
    /// An agent's, of the output of its lease.
    Agent(AgentId, LeaseId),
}

impl Sender {
    fn owner(self) -> Uuid {
        match self {
            Self::Person(user) => user.0,
            Self::Agent(agent, _) => agent.0,
        }
    }

    fn lease(self) -> Option<Uuid> {
        match self {
            Self::Person(_) => None,
            Self::Agent(_, lease) => Some(lease.0),
        }
    }
}

/// An upload as it is stored.
pub(crate) struct StoredUpload {
    pub(crate) id: UploadId,
    pub(crate) sender: Sender,
    pub(crate) size: u64,
    pub(crate) announced: Option<Sha256Hash>,
    pub(crate) gaps: Gaps,
    pub(crate) joined: u64,
    pub(crate) state: UploadState,
    pub(crate) blob: Option<BlobInfo>,
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Begins an upload; one that is there already stays as it is. With a blob it is done at once.
pub(crate) async fn insert(
    db: &mut PgConnection,
    (id, sender): (UploadId, Sender),
    (size, announced): (u64, Option<Sha256Hash>),
    blob: Option<Sha256Hash>,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into upload (upload_id, owner_id, size, announced, received, joined, state, blob,
                             touched_at, lease_id)
         values ($1, $2, $3::bigint, $4, case when $5::bytea is null then 0 else $3::bigint end,
                 case when $5::bytea is null then 0 else $3::bigint end,
                 case when $5::bytea is null then 'open' else 'done' end, $5, $6, $7)
         on conflict do nothing",
        id.0,
        sender.owner(),
        signed(size),
        announced.map(|hash| hash.0.to_vec()),
        blob.map(|hash| hash.0.to_vec()),
        now.to_utc(),
        sender.lease(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A person's unfinished upload of bytes of this length and digest, the newest.
pub(crate) async fn begun(
    db: &mut PgConnection,
    owner: UserId,
    (size, announced): (u64, Option<Sha256Hash>),
) -> sqlx::Result<Option<StoredUpload>> {
    let id = sqlx::query_scalar!(
        "select upload_id from upload
         where owner_id = $1 and size = $2 and announced = $3 and state in ('open', 'joining')
           and lease_id is null
         order by touched_at desc limit 1",
        owner.0,
        signed(size),
        announced.map(|hash| hash.0.to_vec())
    )
    .fetch_optional(&mut *db)
    .await?;
    match id {
        Some(id) => find(db, UploadId(id), Sender::Person(owner)).await,
        None => Ok(None),
    }
}

/// How many uploads of a person are not done.
pub(crate) async fn count_open(db: &mut PgConnection, owner: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from upload
           where owner_id = $1 and state in ('open', 'joining') and lease_id is null"#,
        owner.0
    )
    .fetch_one(db)
    .await
}

/// An upload of this sender.
pub(crate) async fn find(
    db: &mut PgConnection,
    id: UploadId,
    sender: Sender,
) -> sqlx::Result<Option<StoredUpload>> {
    let row = sqlx::query!(
        "select size, announced, joined, state, blob from upload
         where upload_id = $1 and owner_id = $2 and lease_id is not distinct from $3",
        id.0,
        sender.owner(),
        sender.lease()
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let state = match row.state.as_str() {
        "open" => UploadState::Open,
        "joining" => UploadState::Joining,
        "done" => UploadState::Done,
        _ => UploadState::Refused,
    };
    let size = unsigned(row.size);
    let gaps = match state {
        UploadState::Open => Gaps::of(size, &spans(db, id).await?),
        UploadState::Joining | UploadState::Done | UploadState::Refused => Gaps::none(size),
    };
    Ok(Some(StoredUpload {
        id,
        sender,
        size,
        announced: row.announced.as_deref().map(hash),
        gaps,
        joined: unsigned(row.joined),
        state,
        blob: row.blob.map(|blob| BlobInfo { sha256: hash(&blob), size }),
    }))
}

/// Where the parts of an upload begin and how long they are, in order.
async fn spans(db: &mut PgConnection, id: UploadId) -> sqlx::Result<Vec<(u64, u64)>> {
    let rows = sqlx::query!(
        "select first_byte, bytes from upload_part where upload_id = $1 order by first_byte",
        id.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (unsigned(row.first_byte), unsigned(row.bytes))).collect())
}

/// Adds a part; `false` when a byte of it is there by now. With the last one the upload begins to
/// be joined. To be called in a transaction: the upload's row is locked, so that of two parts for
/// the same place one is taken.
pub(crate) async fn add_part(
    db: &mut PgConnection,
    id: UploadId,
    (first, bytes): (u64, u64),
    part: Uuid,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let open = sqlx::query_scalar!(
        "select 1 from upload where upload_id = $1 and state = 'open' for update",
        id.0
    );
    if open.fetch_optional(&mut *db).await?.is_none() {
        return Ok(false);
    }
    let added = sqlx::query!(
        "with added as (
             insert into upload_part (upload_id, first_byte, bytes, part_id)
             select u.upload_id, $2, $3, $4 from upload u
             where u.upload_id = $1 and $2::bigint + $3::bigint <= u.size and not exists (
                 select 1 from upload_part p where p.upload_id = $1
                 and p.first_byte < $2::bigint + $3::bigint and p.first_byte + p.bytes > $2)
             returning bytes
         )
         update upload set received = received + added.bytes, touched_at = $5,
             state = case when received + added.bytes = size then 'joining' else state end
         from added where upload_id = $1",
        id.0,
        signed(first),
        signed(bytes),
        part,
        now.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Uploads that are to be joined, the oldest first: outputs of leases, or what people sent.
pub(crate) async fn joining(
    db: &mut PgConnection,
    outputs: bool,
) -> sqlx::Result<Vec<(UploadId, Sender)>> {
    let rows = sqlx::query!(
        "select upload_id, owner_id, lease_id from upload
         where state = 'joining' and (lease_id is not null) = $1
         order by touched_at limit 100",
        outputs
    )
    .fetch_all(db)
    .await?;
    let each = rows.into_iter().map(|row| {
        let sender = match row.lease_id {
            Some(lease) => Sender::Agent(AgentId(row.owner_id), LeaseId(lease)),
            None => Sender::Person(UserId(row.owner_id)),
        };
        (UploadId(row.upload_id), sender)
    });
    Ok(each.collect())
}

/// Uploads that nothing has happened to since a time, which is a later one for outputs of leases.
pub(crate) async fn forgotten(
    db: &mut PgConnection,
    since: Timestamp,
    outputs_since: Timestamp,
) -> sqlx::Result<Vec<UploadId>> {
    let ids = sqlx::query_scalar!(
        "select upload_id from upload
         where touched_at < $2 and (lease_id is not null or touched_at < $1)
         order by touched_at limit 100",
        since.to_utc(),
        outputs_since.to_utc()
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(UploadId).collect())
}

/// The parts of an upload in order.
pub(crate) async fn parts(db: &mut PgConnection, id: UploadId) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select part_id from upload_part where upload_id = $1 order by first_byte",
        id.0
    )
    .fetch_all(db)
    .await
}

/// Notes how far joining is.
pub(crate) async fn set_joined(
    db: &mut PgConnection,
    id: UploadId,
    joined: u64,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update upload set joined = $2, touched_at = $3 where upload_id = $1",
        id.0,
        signed(joined),
        now.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends joining: with a blob, or without one when the digest is another.
pub(crate) async fn end(
    db: &mut PgConnection,
    id: UploadId,
    blob: Option<Sha256Hash>,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with gone as (delete from upload_part where upload_id = $1)
         update upload set state = case when $2::bytea is null then 'refused' else 'done' end,
             joined = size, blob = $2, touched_at = $3 where upload_id = $1",
        id.0,
        blob.map(|hash| hash.0.to_vec()),
        now.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets an upload and its parts. An output that its lease did not end with may be needed by
/// nobody: it is noted for the next look at such blobs.
pub(crate) async fn remove(db: &mut PgConnection, id: UploadId) -> sqlx::Result<()> {
    sqlx::query!(
        "with gone as (
             delete from upload where upload_id = $1 returning lease_id, blob, touched_at
         )
         insert into blob_trash (sha256, since)
         select g.blob, g.touched_at from gone g
         where g.lease_id is not null and g.blob is not null and not exists (
             select 1 from lease l where l.lease_id = g.lease_id and l.output = g.blob)
         on conflict do nothing",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}
