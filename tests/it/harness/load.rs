//! People who order without a pause, several at a time, and write down what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::dice::Dice;
use super::orders::{Desk, Entry, Order, Outcome};

/// Between a failure and the next order.
const PAUSE: Duration = Duration::from_millis(20);

/// Clients at work.
pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: JoinSet<Vec<Entry>>,
}

impl Load {
    /// Starts so many clients. Each stays with one of the desks until it fails there, and goes to
    /// the next.
    pub(crate) fn start(desks: &[Desk], accounts: &[String], clients: u64, seed: u64) -> Self {
        let mut load = Self { ends: Arc::default(), done: Arc::default(), clients: JoinSet::new() };
        for client in 0..clients {
            let (desks, accounts) = (desks.to_vec(), accounts.to_vec());
            let (ends, done) = (Arc::clone(&load.ends), Arc::clone(&load.done));
            let mut dice = Dice::of(seed.wrapping_add(client));
            load.clients.spawn(async move {
                let (mut journal, mut desk) = (Vec::new(), 0);
                while !ends.load(Ordering::Relaxed) {
                    let order = Order::any(&accounts, &mut dice);
                    let entry = desks[desk % desks.len()].carry_out(&order).await;
                    match entry.as_ref().map(|entry| entry.outcome) {
                        Some(Outcome::Done(_)) => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(Outcome::Refused) => {}
                        Some(Outcome::Unknown) | None => {
                            desk += 1;
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                    journal.extend(entry);
                }
                journal
            });
        }
        load
    }

    /// How many orders were acknowledged so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Lets everybody finish the order at hand; answers all journals in one.
    pub(crate) async fn end(self) -> Vec<Entry> {
        self.ends.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

/// The longest time without an acknowledgement between the first and the last one.
pub(crate) fn outage(entries: &[Entry]) -> Duration {
    let done = entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Done(_)));
    let mut times: Vec<Instant> = done.map(|entry| entry.at).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
