//! What accounts need of other services.

use medusa_platform::ApiError;
use medusa_platform::auth::BoxFuture;
use medusa_types::UserId;

/// Greets a new person: the credits to begin with.
pub trait Welcome: Send + Sync {
    /// Gives the welcome credits. Called at every login: the second time must change nothing.
    fn grant(&self, user: UserId) -> BoxFuture<'_, Result<(), ApiError>>;
}
