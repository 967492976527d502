//! Listens, and puts the gate before the routes.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio::sync::watch;

use super::gate::{self, Gate};
use super::routes;
use crate::board::Board;
use crate::config::Config;
use crate::logs::Logs;
use crate::server::Server as Peer;

/// Ports that are tried after one that is taken.
const PORTS_MAX: u16 = 50;
/// Nothing that the page sends is larger.
const BODY_BYTES_MAX: usize = 8 * 1_024;
/// A code that opens the page is shorter.
const CODE_BYTES_MAX: usize = 1_024;

/// The page as it is served.
pub(crate) struct Page {
    /// Runs as long as it is awaited.
    pub(crate) server: Server,
    /// The address with the secret that opens it once.
    pub(crate) link: String,
}

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) board: Arc<Board>,
    pub(crate) logs: Logs,
    pub(crate) gate: Arc<Gate>,
    /// What the agent was started with.
    pub(crate) config: Arc<Config>,
    /// Whom to ask for tasks.
    pub(crate) server: watch::Receiver<Option<Arc<Peer>>>,
}

/// Starts to listen on the configured port, or on the next one that is free.
///
/// # Errors
/// When no port is free, or the file for the link cannot be written.
pub(crate) fn serve(
    config: &Config,
    board: Arc<Board>,
    logs: Logs,
    server: watch::Receiver<Option<Arc<Peer>>>,
) -> io::Result<Page> {
    let listener = listen(config.port)?;
    let port = listener.local_addr()?.port();
    let gate = Arc::new(Gate::new(port, config.data.join("page.url"))?);
    let link = gate.link();
    let config = Arc::new(config.clone());
    let shown = Shown { board, logs, gate, config, server };
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shown.clone()))
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .app_data(web::JsonConfig::default().limit(CODE_BYTES_MAX))
            .configure(routes::configure)
            .wrap(from_fn(gate::pass))
            .wrap(gate::headers())
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(0)
    .listen(listener)?
    .run();
    Ok(Page { server, link })
}

fn listen(first: u16) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let mut port = first;
    loop {
        match bind(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let is_last = port.abs_diff(first) >= PORTS_MAX;
                port = port.checked_add(1).filter(|_| !is_last).ok_or(error)?;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_goes_on_to_the_next() {
        let taken = listen(0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let next = listen(port).unwrap().local_addr().unwrap();
        assert!(next.port() > port && next.ip().is_loopback());
    }
}
