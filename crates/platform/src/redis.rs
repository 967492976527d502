//! The one Redis connection of a process: multiplexed, and restored when it breaks.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::mpsc::UnboundedSender;

/// Connects for commands.
///
/// # Errors
/// When the address is wrong or nothing answers.
pub async fn connect(url: &str) -> Result<ConnectionManager, redis::RedisError> {
    redis::Client::open(url)?.get_connection_manager().await
}

/// Connects for subscriptions: messages arrive at `sender`, and subscriptions are made again after
/// a break. The address needs `protocol=resp3`.
///
/// # Errors
/// When the address is wrong or nothing answers.
pub async fn subscribe(
    url: &str,
    sender: UnboundedSender<redis::PushInfo>,
) -> Result<ConnectionManager, redis::RedisError> {
    let config =
        ConnectionManagerConfig::new().set_push_sender(sender).set_automatic_resubscription();
    redis::Client::open(url)?.get_connection_manager_with_config(config).await
}
