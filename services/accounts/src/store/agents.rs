//! Enrolled machines. A key is kept as its hash.

use medusa_api::AgentLimits;
use medusa_platform::AgentPrincipal;
use medusa_types::{AgentId, Sha256Hash, Timestamp, UserId, Uuid};
use sqlx::PgConnection;
use sqlx::types::time::OffsetDateTime;

use crate::command::AgentRow;

/// Writes a new agent.
pub(crate) async fn insert(
    db: &mut PgConnection,
    agent: &AgentRow,
    key: Sha256Hash,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into agent (agent_id, owner_id, name, key_hash, enrolled_at, public_key)
         values ($1, $2, $3, $4, $5, $6)",
        agent.agent.0,
        agent.owner.0,
        agent.name,
        key.as_bytes(),
        agent.enrolled_at.to_utc(),
        agent.public_key.as_ref().map(<[u8; 32]>::as_slice),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives an agent another key.
pub(crate) async fn set_key(
    db: &mut PgConnection,
    agent: AgentId,
    key: Sha256Hash,
) -> sqlx::Result<()> {
    sqlx::query!("update agent set key_hash = $2 where agent_id = $1", agent.0, key.as_bytes())
        .execute(db)
        .await?;
    Ok(())
}

/// Whose key this is, if it is valid.
pub(crate) async fn by_key(
    db: &mut PgConnection,
    key: Sha256Hash,
) -> sqlx::Result<Option<AgentPrincipal>> {
    let row = sqlx::query!(
        "select agent_id, owner_id, name from agent where key_hash = $1 and revoked_at is null",
        key.as_bytes(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| AgentPrincipal {
        agent: AgentId(row.agent_id),
        owner: UserId(row.owner_id),
        name: row.name,
    }))
}

struct Row {
    agent_id: Uuid,
    owner_id: Uuid,
    name: String,
    enrolled_at: OffsetDateTime,
    revoked_at: Option<OffsetDateTime>,
    paused: bool,
    slots_max: Option<i32>,
    memory_bytes_max: Option<i64>,
    public_key: Option<Vec<u8>>,
}

impl Row {
    /// The agent, and whether it was not removed.
    fn known(self) -> (AgentRow, bool) {
        let is_there = self.revoked_at.is_none();
        (self.agent(), is_there)
    }

    fn agent(self) -> AgentRow {
        AgentRow {
            agent: AgentId(self.agent_id),
            name: self.name,
            owner: UserId(self.owner_id),
            enrolled_at: Timestamp::from_utc(self.enrolled_at),
            limits: AgentLimits {
                paused: self.paused,
                slots: self.slots_max.and_then(|slots| u32::try_from(slots).ok()),
                memory_bytes: self.memory_bytes_max.and_then(|bytes| u64::try_from(bytes).ok()),
            },
            public_key: self.public_key.and_then(|key| key.try_into().ok()),
        }
    }
}

/// One agent, and whether it was not removed.
pub(crate) async fn get(
    db: &mut PgConnection,
    agent: AgentId,
) -> sqlx::Result<Option<(AgentRow, bool)>> {
    let row = sqlx::query_as!(
        Row,
        "select agent_id, owner_id, name, enrolled_at, revoked_at, paused, slots_max,
                memory_bytes_max, public_key
         from agent where agent_id = $1",
        agent.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Row::known))
}

/// The same, which nobody else changes until the transaction ends.
pub(crate) async fn get_locked(
    db: &mut PgConnection,
    agent: AgentId,
) -> sqlx::Result<Option<(AgentRow, bool)>> {
    sqlx::query!("select agent_id from agent where agent_id = $1 for update", agent.0)
        .fetch_optional(&mut *db)
        .await?;
    get(db, agent).await
}

/// The machines of a person, the newest first.
pub(crate) async fn of_owner(db: &mut PgConnection, owner: UserId) -> sqlx::Result<Vec<AgentRow>> {
    let rows = sqlx::query_as!(
        Row,
        "select agent_id, owner_id, name, enrolled_at, revoked_at, paused, slots_max,
                memory_bytes_max, public_key
         from agent where owner_id = $1 and revoked_at is null
         order by enrolled_at desc, agent_id",
        owner.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Row::agent).collect())
}

/// All machines that a person ever enrolled, and whether each was not removed.
pub(crate) async fn ever_of_owner(
    db: &mut PgConnection,
    owner: UserId,
) -> sqlx::Result<Vec<(AgentId, bool)>> {
    let rows = sqlx::query!(
        r#"select agent_id, (revoked_at is null) as "is_there!" from agent where owner_id = $1"#,
        owner.0,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (AgentId(row.agent_id), row.is_there)).collect())
}

/// Writes an agent's name and what its owner asks of it.
pub(crate) async fn change(db: &mut PgConnection, agent: &AgentRow) -> sqlx::Result<()> {
    let limits = &agent.limits;
    sqlx::query!(
        "update agent set name = $2, paused = $3, slots_max = $4, memory_bytes_max = $5
         where agent_id = $1",
        agent.agent.0,
        agent.name,
        limits.paused,
        limits.slots.and_then(|slots| i32::try_from(slots).ok()),
        limits.memory_bytes.and_then(|bytes| i64::try_from(bytes).ok()),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a person's agent; whether it is that person's.
pub(crate) async fn revoke(
    db: &mut PgConnection,
    owner: UserId,
    agent: AgentId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update agent set revoked_at = coalesce(revoked_at, $3)
         where agent_id = $1 and owner_id = $2",
        agent.0,
        owner.0,
        now.to_utc(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes the key that an agent signs with, unless it has one. The one that it has then.
pub(crate) async fn set_public_key(
    db: &mut PgConnection,
    agent: AgentId,
    key: [u8; 32],
) -> sqlx::Result<Option<[u8; 32]>> {
    let kept = sqlx::query_scalar!(
        "update agent set public_key = coalesce(public_key, $2)
         where agent_id = $1 and revoked_at is null returning public_key",
        agent.0,
        key.as_slice(),
    )
    .fetch_optional(db)
    .await?;
    Ok(kept.flatten().and_then(|key| key.try_into().ok()))
}

/// Names of agents.
pub(crate) async fn names(
    db: &mut PgConnection,
    agents: &[AgentId],
) -> sqlx::Result<Vec<(AgentId, String)>> {
    let ids: Vec<Uuid> = agents.iter().map(|agent| agent.0).collect();
    let rows = sqlx::query!("select agent_id, name from agent where agent_id = any($1)", &ids)
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (AgentId(row.agent_id), row.name)).collect())
}
