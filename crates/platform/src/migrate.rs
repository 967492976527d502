//! The schema's one forward-only line, embedded in the program.

/// Every migration of `migrations/`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
