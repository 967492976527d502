//! The floor: takes leases on, runs each as a task of its own, and can stop it.
//!
//! It never waits for a lease, so orders are taken at once. A lease that panics is reported as the
//! machine's fault and hurts no other. The server bounds the leases; past [`LEASES_MAX`] they are
//! handed back.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use medusa_protocol::{AHEAD_MAX, Ahead, Lease};
use medusa_types::Outcome;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::diary::Diary;
use super::run::{Fault, Workshop};
use crate::server::Server;

/// More leases at once are a mistake of the server.
const LEASES_MAX: usize = 4_096;

/// What the link asks of the floor.
pub(crate) enum Order {
    /// Run this lease of this server; the bytes are its inline inputs.
    Take(Arc<Server>, Box<Lease>, Bytes),
    /// Stop this lease, without a report.
    Cancel(String),
    /// Give all leases back whose result is not on its way: nothing computes here for a while.
    HandBack,
    /// Compile these programs of this server while there is nothing else to do.
    Prepare(Arc<Server>, Vec<Ahead>),
    /// Stop everything without a word: nobody takes the results.
    GiveUp,
    /// Time has passed: end workers that are not needed any more.
    Tidy,
}

/// The leases in work.
pub(crate) struct Floor {
    shop: Arc<Workshop>,
    tasks: JoinSet<Option<Outcome>>,
    leases: HashMap<Id, Entry>,
    by_name: HashMap<String, AbortHandle>,
    diary: Diary,
    /// What compiles programs ahead; dropping it stops that.
    ahead: JoinSet<()>,
    /// The programs that it was given.
    named: Vec<[u8; 32]>,
    /// The program that it is at.
    at: watch::Sender<Option<[u8; 32]>>,
}

struct Entry {
    lease: String,
    job: String,
    /// The server is told that it is handed back, when it has stopped.
    yields: bool,
}

impl Floor {
    pub(crate) fn new(shop: Arc<Workshop>) -> Self {
        Self {
            shop,
            tasks: JoinSet::new(),
            leases: HashMap::new(),
            by_name: HashMap::new(),
            diary: Diary::default(),
            ahead: JoinSet::new(),
            named: Vec::new(),
            at: watch::Sender::default(),
        }
    }

    /// Begins anew with these, unless they are the same as before.
    fn prepare(&mut self, server: Arc<Server>, programs: Vec<Ahead>) {
        let named: Vec<_> = programs.iter().map(|next| next.program.sha256).collect();
        if named == self.named {
            return;
        }
        self.named = named;
        self.ahead = JoinSet::new();
        self.at.send_replace(None);
        let (shop, at) = (Arc::clone(&self.shop), self.at.clone());
        let programs = programs.into_iter().take(AHEAD_MAX);
        self.ahead.spawn(async move {
            for next in programs {
                shop.board.is_idle().await;
                at.send_replace(Some(next.program.sha256));
                let found = shop.programs.get(&server, &shop.blobs, &next.program, next.strict);
                if let Err(fault) = found.await {
                    tracing::debug!(%fault, "a program was not compiled ahead");
                }
                at.send_replace(None);
            }
        });
    }

    /// Works until the sender of orders is gone. Dropping it stops all leases and their workers.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Take(server, lease, payload) => self.take(server, lease, payload),
            Order::Cancel(lease) => {
                if let Some(task) = self.by_name.get(&lease) {
                    tracing::debug!(lease, "cancelled");
                    task.abort();
                }
            }
            Order::HandBack => self.hand_back(),
            Order::Prepare(server, programs) => self.prepare(server, programs),
            Order::GiveUp => self.by_name.values().for_each(AbortHandle::abort),
            Order::Tidy => self.shop.slots.tidy(&self.diary.close()),
        }
    }

    fn take(&mut self, server: Arc<Server>, lease: Box<Lease>, payload: Bytes) {
        // After a cut, the server may name a lease again that never stopped here.
        if self.by_name.contains_key(&lease.lease) {
            return;
        }
        if self.by_name.len() >= LEASES_MAX {
            self.hand_in_fault(lease.lease, "this machine has more leases than it can hold");
            return;
        }
        // One program is compiled at a time, and this one is needed now.
        if self.at.borrow().is_some_and(|at| at != lease.program.sha256) {
            self.ahead = JoinSet::new();
            self.at.send_replace(None);
        }
        self.shop.board.taken(&lease);
        self.diary.came(&lease);
        let entry = Entry { lease: lease.lease.clone(), job: lease.job.clone(), yields: false };
        let shop = Arc::clone(&self.shop);
        let task = async move { shop.run(&server, &lease, payload).await };
        let handle = self.tasks.spawn(task);
        self.leases.insert(handle.id(), entry);
        if let Some(Entry { lease, .. }) = self.leases.get(&handle.id()) {
            self.by_name.insert(lease.clone(), handle);
        }
    }

    /// They stop without a report, and the server gives them to others.
    fn hand_back(&mut self) {
        let mut count = 0_usize;
        for lease in self.shop.board.unfinished() {
            let Some(task) = self.by_name.remove(&lease) else { continue };
            if let Some(entry) = self.leases.get_mut(&task.id()) {
                entry.yields = true;
            }
            task.abort();
            count = count.saturating_add(1);
        }
        if count > 0 {
            tracing::info!(count, "chunks are given back, because nothing computes here for now");
        }
    }

    fn ended(&mut self, ended: Result<(Id, Option<Outcome>), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Entry { lease, job, yields }) = self.leases.remove(&id) else { return };
        self.by_name.remove(&lease);
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) if error.is_panic() => {
                tracing::error!(lease, "running a lease panicked");
                self.hand_in_fault(lease.clone(), "the agent has a bug");
                Some(Outcome::AgentFault)
            }
            // It counts as in work until the server was told: otherwise it would count as lost.
            Err(_cancelled) if yields => return self.give_back(lease, job),
            Err(_cancelled) => None,
        };
        self.shop.board.ended(&lease, outcome);
        self.diary.went(&job, outcome);
    }

    /// As a task, as below; when it has ended, so has the lease.
    fn give_back(&mut self, lease: String, job: String) {
        let (shop, named) = (Arc::clone(&self.shop), lease.clone());
        let task = async move {
            shop.give_back(named).await;
            None
        };
        let handle = self.tasks.spawn(task);
        self.leases.insert(handle.id(), Entry { lease, job, yields: false });
    }

    /// As a task, because the floor must not wait for the link, which may be waiting for it.
    fn hand_in_fault(&mut self, lease: String, why: &'static str) {
        let shop = Arc::clone(&self.shop);
        self.tasks.spawn(async move {
            shop.hand_in_fault(&lease, &Fault::new(why)).await;
            None
        });
    }
}
