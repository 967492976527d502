//! The SQL of sessions.

use medusa_api::{Session, SessionRequest, SessionState};
use medusa_types::{Credits, SessionId, Timestamp, UserId};
use sqlx::PgConnection;

use crate::error::SessionsError;

/// A row of the read model with the request that it came from.
pub(crate) struct Row {
    pub(crate) session: Session,
    pub(crate) owner: UserId,
    pub(crate) request: SessionRequest,
}

/// Keeps what was asked for.
pub(crate) async fn keep(
    db: &mut PgConnection,
    (session, owner): (SessionId, UserId),
    request: &SessionRequest,
    shards: u32,
    now: Timestamp,
) -> Result<(), SessionsError> {
    sqlx::query!(
        "insert into session_request (session_id, owner_id, request, shards, created_at)
         values ($1, $2, $3, $4, $5) on conflict (session_id) do nothing",
        session.0,
        owner.0,
        serde_json::to_value(request)?,
        i32::try_from(shards).unwrap_or(i32::MAX),
        now.to_utc()
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Stored {
    session_id: uuid::Uuid,
    owner_id: uuid::Uuid,
    request: serde_json::Value,
    state: String,
    code: Option<String>,
    shards: i32,
    spares: i32,
    rounds: i64,
    held: i64,
    spent: i64,
    per_gfuel: i64,
    per_start: i64,
    opened_at: time::OffsetDateTime,
    ended_at: Option<time::OffsetDateTime>,
}

impl Stored {
    fn read(self) -> Result<Row, SessionsError> {
        let request: SessionRequest = serde_json::from_value(self.request)?;
        let state = match self.state.as_str() {
            "open" => SessionState::Open,
            "done" => SessionState::Done,
            _ => SessionState::Failed,
        };
        let session = Session {
            id: SessionId(self.session_id),
            name: request.spec.name.clone(),
            state,
            code: self.code,
            shards: u32::try_from(self.shards).unwrap_or_default(),
            spares: u32::try_from(self.spares).unwrap_or_default(),
            rounds: u64::try_from(self.rounds).unwrap_or_default(),
            held: Credits::from_micros(self.held),
            spent: Credits::from_micros(self.spent),
            per_gfuel: Credits::from_micros(self.per_gfuel),
            per_start: Credits::from_micros(self.per_start),
            opened_at: Timestamp::from_utc(self.opened_at),
            ended_at: self.ended_at.map(Timestamp::from_utc),
            home: None,
        };
        Ok(Row { session, owner: UserId(self.owner_id), request })
    }
}

/// One session, whoever's it is.
pub(crate) async fn find(
    db: &mut PgConnection,
    session: SessionId,
) -> Result<Option<Row>, SessionsError> {
    let stored = sqlx::query_as!(
        Stored,
        "select s.session_id, s.owner_id, r.request, s.state, s.code, s.shards, s.spares, s.rounds,
             s.held, s.spent, s.per_gfuel, s.per_start, s.opened_at, s.ended_at
         from session s join session_request r using (session_id) where session_id = $1",
        session.0
    )
    .fetch_optional(db)
    .await?;
    stored.map(Stored::read).transpose()
}

/// The latest sessions of a person.
pub(crate) async fn of_owner(
    db: &mut PgConnection,
    owner: UserId,
    limit: i64,
) -> Result<Vec<Row>, SessionsError> {
    let stored = sqlx::query_as!(
        Stored,
        "select s.session_id, s.owner_id, r.request, s.state, s.code, s.shards, s.spares, s.rounds,
             s.held, s.spent, s.per_gfuel, s.per_start, s.opened_at, s.ended_at
         from session s join session_request r using (session_id)
         where s.owner_id = $1 order by s.opened_at desc limit $2",
        owner.0,
        limit
    )
    .fetch_all(db)
    .await?;
    stored.into_iter().map(Stored::read).collect()
}

/// All that have not ended.
pub(crate) async fn open(db: &mut PgConnection) -> Result<Vec<SessionId>, SessionsError> {
    let ids = sqlx::query_scalar!("select session_id from session where state = 'open'");
    Ok(ids.fetch_all(db).await?.into_iter().map(SessionId).collect())
}
