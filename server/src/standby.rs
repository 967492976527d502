//! Waiting for the log: while another process writes it, this one says so to whoever asks, and
//! takes over when that one ends or falls silent.

use std::net::SocketAddr;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;
use medusa_eventlog::{EventLog, LogConfig};
use medusa_platform::ApiError;
use tokio_util::sync::CancellationToken;

/// Seconds after which a caller is told to try again: a standby takes over within three.
const RETRY_S: u64 = 3;

/// Becomes the writer of the log. Meanwhile every request but the one for health is answered with
/// 503; where the address is taken, as by the writer on the same machine, nothing is answered.
pub(crate) async fn become_writer(
    config: LogConfig,
    listen: SocketAddr,
    stop: &CancellationToken,
) -> Result<EventLog> {
    let mut waits = std::pin::pin!(medusa_eventlog::start(config, stop.clone()));
    // Most of the time nobody else writes, and there is nothing to tell.
    let at_once = tokio::time::timeout(std::time::Duration::from_millis(500), &mut waits).await;
    if let Ok(log) = at_once {
        return Ok(log?);
    }
    let bound = HttpServer::new(|| {
        App::new()
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::busy(RETRY_S)) }))
    })
    .workers(1)
    .disable_signals()
    .bind(listen);
    let Ok(server) = bound else { return Ok(waits.await?) };
    let server = server.run();
    let handle = server.handle();
    let told = async {
        let log = waits.await;
        handle.stop(false).await;
        log
    };
    let (served, log) = tokio::join!(server, told);
    served?;
    Ok(log?)
}
