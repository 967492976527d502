//! Waiting for the log: while another process writes it, this one forwards to it whatever it is
//! asked, and takes over when that one ends or falls silent.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::web::{Data, get, head, resource, to};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Result;
use medusa_eventlog::{EventLog, LogConfig, Signs};

use crate::config::ServeArgs;
use crate::ends::Ends;
use crate::forward::{self, Forwarder};
use crate::forwarded::Notes;

/// Threads that forward.
const WORKERS: usize = 2;
/// Seconds that requests under way get when this process is told to end.
const SHUTDOWN_S: u64 = 5;
/// How long the head of a request may take, as at the writer.
const REQUEST_MAX: Duration = Duration::from_secs(15);
/// Most of the time nobody else writes, and there is nothing to forward to.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A process that writes the log, or will.
pub(crate) struct Taken {
    /// The log.
    pub(crate) log: EventLog,
    /// Where this process listens already, if it stood by: connections that come meanwhile wait.
    pub(crate) door: Option<TcpListener>,
}

/// Becomes the writer of the log. Meanwhile every request but the one for health is forwarded to
/// the writer, or answered with 503 while none is known. Where the address is taken, as by the
/// writer on the same machine, nothing is answered. `None` when it is told to end before.
pub(crate) async fn become_writer(
    config: LogConfig,
    args: &ServeArgs,
    notes: Notes,
    signs: Signs,
    ends: &mut Ends,
) -> Result<Option<Taken>> {
    let seen = signs.writer.subscribe();
    let stop = ends.stop().clone();
    let waits = medusa_eventlog::start_with(config, stop, signs);
    let mut waits = std::pin::pin!(async {
        tokio::select! {
            log = waits => log.map(Some),
            _ = ends.next() => Ok(None),
        }
    });
    if let Ok(log) = tokio::time::timeout(AT_ONCE, &mut waits).await {
        return Ok(log?.map(|log| Taken { log, door: None }));
    }
    let Ok(door) = TcpListener::bind(args.listen) else {
        return Ok(waits.await?.map(|log| Taken { log, door: None }));
    };
    let forwarder = Data::new(Forwarder::new(notes, seen)?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(forwarder.clone())
            .service(resource("/healthz").route(get().to(alive)).route(head().to(alive)))
            .default_service(to(forward::forward))
    })
    .workers(WORKERS)
    .client_request_timeout(REQUEST_MAX)
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals()
    .listen(door.try_clone()?)?
    .run();
    let handle = server.handle();
    let told = async {
        let log = waits.await;
        // Who takes over does not wait: what is under way was for the writer before.
        handle.stop(matches!(log, Ok(None))).await;
        log
    };
    let (served, log) = tokio::join!(server, told);
    served?;
    Ok(log?.map(|log| Taken { log, door: Some(door) }))
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "alive", "role": "standby" }))
}
