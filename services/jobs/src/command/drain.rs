//! Handing over to another process: nothing more is handed out, and then the agents are sent away.

use super::Jobs;
use crate::actor::Drain;

impl Jobs {
    /// Hands out no more leases from now on. How many are under way; reports are still taken.
    pub async fn drain(&self) -> usize {
        // A scheduler that is gone hands nothing out.
        self.scheduler.send(Drain).await.unwrap_or_default()
    }

    /// Closes the links of all agents, which are told to come again, and lets none in.
    pub fn send_away(&self) {
        self.leaving.cancel();
    }
}
