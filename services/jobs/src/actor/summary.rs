//! Who is there, in numbers and in words.

use std::collections::BTreeMap;

use actix::prelude::*;
use medusa_api::AgentState;
use medusa_types::{AgentId, UserId};

/// Who is there.
#[derive(Message)]
#[rtype(result = "FleetSummary")]
pub(crate) struct Summary {
    /// Left out when they are this person's: nobody computes for himself.
    pub(crate) without: Option<UserId>,
}

/// Connected agents in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, MessageResponse)]
pub(crate) struct FleetSummary {
    pub(crate) connected: u32,
    pub(crate) own: u32,
    pub(crate) paused: u32,
    pub(crate) busy: u32,
    pub(crate) quarantined: u32,
    pub(crate) slots: u32,
    pub(crate) states: BTreeMap<AgentId, AgentState>,
}

impl FleetSummary {
    /// Why a job waits, in words.
    pub(crate) fn in_words(&self) -> String {
        match (self.connected, self.own) {
            (0, 0) => "no agents are connected".into(),
            (0, own) => {
                format!("only your own {own} agents are connected, and nobody computes for himself")
            }
            (n, _) => {
                let idle = n.saturating_sub(self.paused).saturating_sub(self.busy);
                let idle = idle.saturating_sub(self.quarantined);
                let out = match self.quarantined {
                    0 => String::new(),
                    out => format!("{out} quarantined, "),
                };
                format!("{n} agents: {} paused, {} busy, {out}{idle} free", self.paused, self.busy)
            }
        }
    }
}
