//! The floor: takes leases on, runs each as a task of its own, and can stop it.
//!
//! It never waits for a lease, so orders are taken at once. A lease that panics is reported as the
//! machine's fault and hurts no other. The server bounds the leases; past [`LEASES_MAX`] they are
//! handed back.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use medusa_protocol::Lease;
use medusa_types::Outcome;
use tokio::sync::mpsc;
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
}

struct Entry {
    lease: String,
    job: String,
}

impl Floor {
    pub(crate) fn new(shop: Arc<Workshop>) -> Self {
        Self {
            shop,
            tasks: JoinSet::new(),
            leases: HashMap::new(),
            by_name: HashMap::new(),
            diary: Diary::default(),
        }
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
        self.shop.board.taken(&lease);
        self.diary.came(&lease);
        let entry = Entry { lease: lease.lease.clone(), job: lease.job.clone() };
        let shop = Arc::clone(&self.shop);
        let task = async move { shop.run(&server, &lease, payload).await };
        let handle = self.tasks.spawn(task);
        self.leases.insert(handle.id(), entry);
        if let Some(Entry { lease, .. }) = self.leases.get(&handle.id()) {
            self.by_name.insert(lease.clone(), handle);
        }
    }

    /// They stop without a report, so the server gives them to others.
    fn hand_back(&mut self) {
        let unfinished = self.shop.board.unfinished();
        let tasks = unfinished.iter().filter_map(|lease| self.by_name.get(lease));
        let count = tasks.inspect(|task| task.abort()).count();
        if count > 0 {
            tracing::info!(count, "chunks are given back, because nothing computes here for now");
        }
    }

    fn ended(&mut self, ended: Result<(Id, Option<Outcome>), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(Entry { lease, job }) = self.leases.remove(&id) else { return };
        self.by_name.remove(&lease);
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) if error.is_panic() => {
                tracing::error!(lease, "running a lease panicked");
                self.hand_in_fault(lease.clone(), "the agent has a bug");
                Some(Outcome::AgentFault)
            }
            Err(_cancelled) => None,
        };
        self.shop.board.ended(&lease, outcome);
        self.diary.went(&job, outcome);
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
