//! Puts the parts together, starts them as named tasks, and stops them.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join;
use medusa_sandbox::Modules;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::account;
use crate::board::Board;
use crate::config::{Config, ConfigError, server_address};
use crate::disk;
use crate::enrol;
use crate::farewell::Farewell;
use crate::fetch::Blobs;
use crate::gauges::{Gauges, Room};
use crate::identity::{Identity, IdentityError};
use crate::link::Link;
use crate::logs::Logs;
use crate::measure;
use crate::os::{Sensors, memory_bytes};
use crate::rules::Lent;
use crate::server::{CallError, Server};
use crate::settings::Settings;
use crate::signing::Signing;
use crate::state::View;
use crate::ui;
use crate::update::{self, Asked};
use crate::work::{Floor, Programs, Workshop};

const MIB: u64 = 1024 * 1024;
/// The least memory that is announced.
const MEMORY_BYTES_MIN: u64 = 16 * MIB;
/// Orders and reports that wait to be taken.
const QUEUE_MAX: usize = 256;

/// Why an agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It knows no server.
    #[error("this machine is not enrolled anywhere yet: name the server with --server")]
    NoServer,
    /// The server's address cannot be used.
    #[error("the server's address cannot be used")]
    Address(#[from] ConfigError),
    /// The identity file cannot be used.
    #[error("the identity cannot be used")]
    Identity(#[from] IdentityError),
    /// The HTTP client could not be made.
    #[error("no connection to a server can be made: {0}")]
    Client(String),
    /// The data directory cannot be used.
    #[error("the data directory cannot be used")]
    Data(#[source] io::Error),
    /// Another agent uses this data directory.
    #[error("another agent runs with this data directory")]
    Taken,
    /// The local page could not be served.
    #[error("the local page cannot be served")]
    Page(#[source] io::Error),
}

/// A running agent. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Agent {
    board: Arc<Board>,
    tasks: JoinSet<&'static str>,
    page: String,
    farewell: Farewell,
    updates: Option<mpsc::Receiver<Asked>>,
    /// Held for as long as the agent runs.
    _lock: std::fs::File,
}

/// What the task of the link works with.
struct Connector {
    config: Config,
    board: Arc<Board>,
    identity: Option<Identity>,
    server: Server,
    current: watch::Sender<Option<Arc<Server>>>,
}

impl Agent {
    /// Starts an agent on the tokio runtime that this is called in.
    ///
    /// # Errors
    /// [`StartError`] when something is missing that will not come by itself. A server that cannot
    /// be reached is no error: the agent keeps trying.
    pub fn start(config: Config, logs: Logs) -> Result<Self, StartError> {
        install_crypto();
        disk::make_private_dir(&config.data).map_err(StartError::Data)?;
        let lock = lock(&config.data)?;
        let (identity, server) = whereto(&config)?;
        let switch = (config.start, config.always);
        let board = Arc::new(Board::open(&config.data, switch, &config.name, config.slots));
        board.identified(server.base(), identity.as_ref().map(|i| i.name.as_str()));

        let (orders, orders_in) = mpsc::channel(QUEUE_MAX);
        let (reports, reports_in) = mpsc::channel(QUEUE_MAX);
        let budget = (config.slots, memory_to_lend(&config, &board));
        let reports_out = reports.clone();
        let shop = workshop(&config, &board, budget, reports).map_err(StartError::Data)?;
        let shop = Arc::new(shop);
        let gauges = Gauges::new(
            Arc::clone(&board),
            Arc::clone(&shop),
            orders.clone(),
            Sensors::new(config.root.clone(), config.data.clone()),
            Room { pipes: server.pipes(), blob_bytes: config.blob_cache_bytes },
            Lent { slots: budget.0, memory_mib: budget.1.checked_div(MIB).unwrap_or_default() },
        );
        let farewell = Farewell::new(Arc::clone(&board), reports_out);
        let link = Link::new(Arc::clone(&board), orders, reports_in, budget);
        let current = watch::Sender::new(None);
        let page = ui::serve(&config, Arc::clone(&board), logs, current.subscribe())
            .map_err(StartError::Page)?;
        let measure_after = config.measure_after;
        let (ready, updates) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        if config.rehearses {
            board.leave();
        } else {
            let done = update::settle(config.data.clone(), Arc::clone(&board), page.link.clone());
            let looking = update::keep(Arc::clone(&board), config.clone(), server.pipes(), ready);
            tasks.spawn(async {
                join(done, looking).await;
                "update"
            });
        }
        let server_now = current.subscribe();
        let connector = Connector { config, board: Arc::clone(&board), identity, server, current };

        let running = page.server;
        tasks.spawn(async move {
            running.await.unwrap_or_else(|error| tracing::error!(%error, "the page failed"));
            "page"
        });
        let measuring = measure::keep(Arc::clone(&board), Arc::clone(&shop), measure_after);
        tasks.spawn(async {
            measuring.await;
            "measure"
        });
        let floor = Floor::new(Arc::clone(&shop));
        tasks.spawn(async {
            floor.run(orders_in).await;
            "floor"
        });
        tasks.spawn(async {
            connector.run(link).await;
            "link"
        });
        tasks.spawn(async {
            gauges.run().await;
            "gauges"
        });
        let kept = account::keep(Arc::clone(&board), Arc::clone(&shop), server_now);
        tasks.spawn(async {
            kept.await;
            "account"
        });
        Ok(Self { board, tasks, page: page.link, farewell, updates: Some(updates), _lock: lock })
    }

    /// The address of the local page, with a secret that works once.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.page
    }

    /// Follows what the agent does.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<View> {
        self.board.watch()
    }

    /// Stops all work where it stands, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.board.set_paused(paused);
    }

    /// Changes limits, as the page does.
    pub fn limit(&self, change: impl FnOnce(&mut Settings)) {
        self.board.set(change);
    }

    /// Takes no new work, and is switched off when none is left.
    pub fn finish(&self) {
        self.board.finish();
    }

    /// How this agent ends well.
    #[must_use]
    pub fn farewell(&self) -> Farewell {
        self.farewell.clone()
    }

    /// Newer versions that lie ready; whoever takes one ends the agent. They come only once here.
    pub(crate) fn updates(&mut self) -> mpsc::Receiver<Asked> {
        self.updates.take().unwrap_or_else(|| mpsc::channel(1).1)
    }

    /// Ends with the first task that ends, which none should.
    pub async fn failed(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => format!("the {name} ended"),
            Some(Err(error)) => format!("a task failed: {error}"),
            None => "everything has ended".into(),
        }
    }

    /// Stops everything and ends the workers; nothing is finished.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.board.keep();
    }
}

impl Connector {
    /// Enrols when it must, and keeps the link up.
    async fn run(mut self, mut link: Link) {
        loop {
            let identity = match self.identity.take() {
                Some(identity) => identity,
                None => self.enrol().await,
            };
            let server = Arc::new(self.server.with_key(&identity.agent_key));
            let signing = Signing::of(&self.config.data, identity.agent);
            self.board.sign_with(signing.pen());
            link.signs_with(signing, &self.config.data);
            self.current.send_replace(Some(Arc::clone(&server)));
            link.keep_up(&server).await;
            self.board.enrol.notified().await;
        }
    }

    async fn enrol(&self) -> Identity {
        let signing = Signing::draw();
        let (name, key) = (&self.config.name, signing.public_key());
        let identity = enrol::enrol(&self.server, &self.board, name, &key).await;
        signing.belongs(identity.agent, &self.config.data);
        tracing::info!("enrolled as {} ({})", identity.name, identity.agent);
        if let Err(error) = identity.save(&self.config.data) {
            tracing::error!(%error, "the identity was not kept: the next start enrols again");
        }
        identity
    }
}

/// TLS by *ring*, for everything in this process. Calling it again changes nothing.
pub fn install_crypto() {
    // An error says that it is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Two agents on one directory would share one identity.
pub(crate) fn lock(data: &Path) -> Result<std::fs::File, StartError> {
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(data.join("lock"))
        .map_err(StartError::Data)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Taken),
        Err(std::fs::TryLockError::Error(error)) => Err(StartError::Data(error)),
    }
}

/// The identity to use, if any, and the server to talk to. An identity of another server than the
/// one asked for is not used.
fn whereto(config: &Config) -> Result<(Option<Identity>, Server), StartError> {
    let identity = Identity::load(&config.data)?;
    let known = identity.as_ref().map(|i| server_address(&i.server)).transpose()?;
    let address = config.server.clone().or_else(|| known.clone()).ok_or(StartError::NoServer)?;
    let is_usable = known.as_ref() == Some(&address) && !config.enrol;
    let server = Server::trusting(&address, config.ca.as_deref());
    let server = server.map_err(|error: CallError| StartError::Client(error.to_string()))?;
    Ok((identity.filter(|_| is_usable), server))
}

/// What the server is told at the start: what was asked for, or the share of an unused machine.
fn memory_to_lend(config: &Config, board: &Board) -> u64 {
    let pct = u64::from(board.settings().memory_idle_pct);
    let share = || memory_bytes().saturating_mul(pct).checked_div(100).unwrap_or_default();
    config.memory_bytes.unwrap_or_else(share).max(MEMORY_BYTES_MIN)
}

fn workshop(
    config: &Config,
    board: &Arc<Board>,
    budget: (u32, u64),
    reports: mpsc::Sender<medusa_protocol::Frame>,
) -> io::Result<Workshop> {
    let blob_bytes = board.settings().half_of_disk().min(config.blob_cache_bytes);
    let blobs = Blobs::open(config.data.join("blobs"), blob_bytes)?;
    let code = config.data.join("code");
    let modules = Modules::new(code, config.worker.clone(), config.worker_args.clone());
    // Whoever ignores the comfort rules has nobody at the machine to disturb.
    let modules = if config.always { modules } else { modules.in_background() };
    Ok(Workshop::new(
        Arc::clone(board),
        blobs,
        Programs::new(modules, Arc::clone(board)),
        budget,
        reports,
        config.unpaid_max,
    ))
}
