//! Machines that wait to be confirmed, by the hash of their secret and by the code they show.

use medusa_api::{DeviceAbout, DeviceWaiting};
use medusa_types::{AgentId, Sha256Hash, Timestamp};
use sqlx::PgConnection;

use crate::domain::UserCode;

/// A machine that begins to wait.
pub(crate) struct NewDevice<'a> {
    pub(crate) hash: Sha256Hash,
    pub(crate) code: &'a UserCode,
    pub(crate) name: &'a str,
    pub(crate) public_key: Option<[u8; 32]>,
    pub(crate) about: &'a DeviceAbout,
    pub(crate) address: &'a str,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A machine that waits, or was confirmed and has not asked since.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) public_key: Option<[u8; 32]>,
    pub(crate) agent: Option<AgentId>,
}

/// Machines that wait.
pub(crate) async fn waiting(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from device_request where expires_at > $1"#,
        now.to_utc(),
    )
    .fetch_one(db)
    .await
}

/// Writes a waiting machine; false when its code is shown by another one.
pub(crate) async fn insert(db: &mut PgConnection, device: &NewDevice<'_>) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into device_request
             (device_hash, user_code, name, created_at, expires_at, public_key, address, cores,
              memory_bytes, system)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (user_code) do nothing",
        device.hash.as_bytes(),
        device.code.as_str(),
        device.name,
        device.created_at.to_utc(),
        device.expires_at.to_utc(),
        device.public_key.as_ref().map(<[u8; 32]>::as_slice),
        device.address,
        device.about.cores.and_then(|cores| i32::try_from(cores).ok()),
        device.about.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()),
        device.about.system,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The machine that shows this code, locked until the transaction ends.
pub(crate) async fn lock_by_code(
    db: &mut PgConnection,
    code: &UserCode,
    now: Timestamp,
) -> sqlx::Result<Option<Device>> {
    let row = sqlx::query!(
        "select name, agent_id, public_key from device_request
         where user_code = $1 and expires_at > $2 for update",
        code.as_str(),
        now.to_utc(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Device {
        name: row.name,
        public_key: row.public_key.and_then(|key| key.try_into().ok()),
        agent: row.agent_id.map(AgentId),
    }))
}

/// The machine that shows this code and was not confirmed yet.
pub(crate) async fn waiting_with(
    db: &mut PgConnection,
    code: &UserCode,
    now: Timestamp,
) -> sqlx::Result<Option<DeviceWaiting>> {
    let row = sqlx::query!(
        "select name, address, cores, memory_bytes, system, created_at from device_request
         where user_code = $1 and expires_at > $2 and agent_id is null",
        code.as_str(),
        now.to_utc(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| DeviceWaiting {
        name: row.name,
        about: DeviceAbout {
            cores: row.cores.and_then(|cores| u32::try_from(cores).ok()),
            memory_bytes: row.memory_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            system: row.system,
        },
        address: row.address,
        asked_at: Timestamp::from_utc(row.created_at),
    }))
}

/// What the machine with this secret became, if it waits still: nothing until it is confirmed.
pub(crate) async fn agent_of(
    db: &mut PgConnection,
    hash: Sha256Hash,
    now: Timestamp,
) -> sqlx::Result<Option<Option<AgentId>>> {
    let agent = sqlx::query_scalar!(
        "select agent_id from device_request where device_hash = $1 and expires_at > $2",
        hash.as_bytes(),
        now.to_utc(),
    )
    .fetch_optional(db)
    .await?;
    Ok(agent.map(|agent| agent.map(AgentId)))
}

/// Writes which agent a waiting machine became.
pub(crate) async fn confirm(
    db: &mut PgConnection,
    code: &UserCode,
    agent: AgentId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update device_request set agent_id = $2 where user_code = $1",
        code.as_str(),
        agent.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a machine that gets its key; false when it was forgotten before.
pub(crate) async fn forget(db: &mut PgConnection, hash: Sha256Hash) -> sqlx::Result<bool> {
    let done = sqlx::query!("delete from device_request where device_hash = $1", hash.as_bytes())
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes what has ended.
pub(crate) async fn sweep(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query!("delete from device_request where expires_at <= $1", now.to_utc())
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
