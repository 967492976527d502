//! Blank workers: started and warmed up before anybody needs them, so that a task of a new job
//! does not wait for a process. Each is given away once, for one purpose; what comes back from
//! one is a [`crate::Worker`], which never becomes a blank one again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::child::{ANSWER_MAX, Child, ChildError, Launch, TEXT_BYTES_MAX};
use crate::task::{Reply, Request};

/// No more than so many wait; they are replaced while a task runs.
const BLANKS_MAX: usize = 2;
/// Blank workers that nobody needed for so long are ended.
const IDLE: Duration = Duration::from_secs(300);

/// A worker that saw nothing of any job yet.
#[derive(Debug)]
struct Blank(Child);

/// The blank workers of one process.
#[derive(Debug)]
pub(crate) struct Blanks(Mutex<Stock>);

#[derive(Debug)]
struct Stock {
    wanted: usize,
    ready: Vec<Blank>,
    /// How those were started.
    launch: Option<Launch>,
    /// Those that are being started.
    coming: JoinSet<Option<Blank>>,
    used: Instant,
}

impl Blank {
    /// Starts one. Asked for its fingerprint, it makes an engine, and so has everything in memory
    /// that loading a program needs.
    async fn start(launch: &Launch) -> Result<Self, ChildError> {
        let mut child = launch.start().await?;
        match child.ask(&Request::Fingerprint(false), TEXT_BYTES_MAX, ANSWER_MAX).await? {
            Reply::Text(_) => Ok(Self(child)),
            other => Err(ChildError::unasked(&other)),
        }
    }
}

impl Blanks {
    pub(crate) fn new() -> Self {
        let (coming, used) = (JoinSet::new(), Instant::now());
        Self(Mutex::new(Stock { wanted: 0, ready: Vec::new(), launch: None, coming, used }))
    }

    /// Keeps as many as so many tasks need.
    pub(crate) fn want(&self, tasks: usize) {
        let mut stock = self.stock();
        stock.wanted = tasks.min(BLANKS_MAX);
        stock.trim();
    }

    /// Gives one away, if there is one, and starts others in the background.
    pub(crate) fn give(&self, launch: &Launch) -> Option<Child> {
        let mut stock = self.stock();
        stock.used = Instant::now();
        if stock.launch.as_ref() != Some(launch) {
            stock.clear();
            stock.launch = Some(launch.clone());
        }
        stock.trim();
        let mut given = None;
        while let Some(Blank(mut child)) = stock.ready.pop() {
            if child.is_running() {
                given = Some(child);
                break;
            }
        }
        while stock.ready.len().saturating_add(stock.coming.len()) < stock.wanted {
            stock.coming.spawn(come(launch.clone()));
        }
        given
    }

    /// Ends those that nobody needed for a while.
    pub(crate) fn tidy(&self) {
        let mut stock = self.stock();
        if stock.used.elapsed() >= IDLE {
            stock.clear();
        }
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stock {
    /// Takes in those that have come, and ends those that are too many.
    fn trim(&mut self) {
        if self.wanted == 0 {
            self.clear();
        }
        while let Some(come) = self.coming.try_join_next() {
            self.ready.extend(come.ok().flatten());
        }
        self.ready.truncate(self.wanted);
    }

    fn clear(&mut self) {
        self.ready.clear();
        // What is dropped on the way ends its process.
        self.coming = JoinSet::new();
    }
}

async fn come(launch: Launch) -> Option<Blank> {
    match Blank::start(&launch).await {
        Ok(blank) => Some(blank),
        Err(error) => {
            tracing::warn!(%error, "could not start a worker in advance");
            None
        }
    }
}
