//! Enrolled machines. A key is kept as its hash.

use medusa_platform::AgentPrincipal;
use medusa_types::{AgentId, Sha256Hash, Timestamp, UserId, Uuid};
use sqlx::PgConnection;

use crate::command::AgentRow;

/// Writes a new agent.
pub(crate) async fn insert(
    db: &mut PgConnection,
    agent: &AgentRow,
    key: Sha256Hash,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into agent (agent_id, owner_id, name, key_hash, enrolled_at)
         values ($1, $2, $3, $4, $5)",
        agent.agent.0,
        agent.owner.0,
        agent.name,
        key.as_bytes(),
        agent.enrolled_at.to_utc(),
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

/// One agent.
pub(crate) async fn get(db: &mut PgConnection, agent: AgentId) -> sqlx::Result<Option<AgentRow>> {
    let row =
        sqlx::query!("select owner_id, name, enrolled_at from agent where agent_id = $1", agent.0,)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|row| AgentRow {
        agent,
        name: row.name,
        owner: UserId(row.owner_id),
        enrolled_at: Timestamp::from_utc(row.enrolled_at),
    }))
}

/// The machines of a person, the newest first.
pub(crate) async fn of_owner(db: &mut PgConnection, owner: UserId) -> sqlx::Result<Vec<AgentRow>> {
    let rows = sqlx::query!(
        "select agent_id, name, enrolled_at from agent
         where owner_id = $1 and revoked_at is null order by enrolled_at desc, agent_id",
        owner.0,
    )
    .fetch_all(db)
    .await?;
    let agents = rows.into_iter().map(|row| AgentRow {
        agent: AgentId(row.agent_id),
        name: row.name,
        owner,
        enrolled_at: Timestamp::from_utc(row.enrolled_at),
    });
    Ok(agents.collect())
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
