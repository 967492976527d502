//! Who is there, in numbers and in words.

use std::collections::BTreeMap;

use actix::prelude::*;
use medusa_api::AgentState;
use medusa_types::{AgentId, Credits, UserId};

use super::scheduler::Scheduler;
use crate::domain::Rivals;

/// Who is there.
#[derive(Message)]
#[rtype(result = "FleetSummary")]
pub(crate) struct Summary {
    /// Left out when they are this person's: nobody computes for himself.
    pub(crate) without: Option<UserId>,
    /// The most that a copy of the chunk in question is paid.
    pub(crate) price: Credits,
}

impl Summary {
    /// Everybody.
    pub(crate) const fn all() -> Self {
        Self { without: None, price: Credits::ZERO }
    }

    /// As a consumer sees it.
    pub(crate) const fn of(consumer: UserId) -> Self {
        Self { without: Some(consumer), price: Credits::ZERO }
    }
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
    /// Over these slots, the mean chance of a second copy in millionths.
    pub(crate) twice_ppm: Option<u32>,
    /// Other consumers with chunks to give or under way.
    pub(crate) rivals: Rivals,
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
                let others = match (idle, self.busy, self.rivals.consumers) {
                    (1.., ..) | (_, 0, _) | (.., 0) => String::new(),
                    (.., 1) => ": all slots are busy with another consumer's jobs; yours gets its \
                                share as they come free"
                        .to_owned(),
                    (.., n) => format!(
                        ": all slots are busy with {n} other consumers' jobs; yours gets its share \
                         as they come free"
                    ),
                };
                let (paused, busy) = (self.paused, self.busy);
                format!("{n} agents: {paused} paused, {busy} busy, {out}{idle} free{others}")
            }
        }
    }
}

impl Handler<Summary> for Scheduler {
    type Result = FleetSummary;

    fn handle(&mut self, msg: Summary, _: &mut Self::Context) -> FleetSummary {
        let mut summary = FleetSummary::default();
        if let Some(consumer) = msg.without {
            summary.rivals = self.hall.rivals(consumer);
        }
        let mut twice = 0_u64;
        for (agent, presence) in self.hall.presences(self.clock.now()) {
            let state = match (presence.paused, presence.busy) {
                (true, _) => AgentState::Paused,
                (false, false) => AgentState::Idle,
                (false, true) => AgentState::Busy,
            };
            summary.states.insert(agent, state);
            if Some(presence.lender) == msg.without {
                summary.own = summary.own.saturating_add(1);
                continue;
            }
            let works = !presence.paused && !presence.quarantined;
            let add = |n: &mut u32, yes: bool| *n = n.saturating_add(u32::from(yes));
            add(&mut summary.connected, true);
            add(&mut summary.paused, presence.paused);
            add(&mut summary.quarantined, presence.quarantined && !presence.paused);
            add(&mut summary.busy, works && !presence.room);
            if works {
                summary.slots = summary.slots.saturating_add(presence.slots);
                let ppm = presence.standing.twice_ppm(msg.price, &self.rules);
                let slots = u64::from(presence.slots);
                twice = twice.saturating_add(slots.saturating_mul(ppm.into()));
            }
        }
        let mean = twice.checked_div(summary.slots.into());
        summary.twice_ppm = mean.and_then(|mean| u32::try_from(mean).ok());
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_is_there_and_whose_jobs_come_first() {
        let fleet = |connected, paused, busy, consumers| FleetSummary {
            connected,
            paused,
            busy,
            rivals: Rivals { consumers, weight: 3, own: 0 },
            ..FleetSummary::default()
        };
        for (fleet, said) in [
            (fleet(0, 0, 0, 1), "no agents are connected"),
            (fleet(3, 1, 1, 2), "3 agents: 1 paused, 1 busy, 1 free"),
            (fleet(2, 1, 1, 0), "2 agents: 1 paused, 1 busy, 0 free"),
            (
                fleet(3, 1, 2, 1),
                "3 agents: 1 paused, 2 busy, 0 free: all slots are busy with another consumer's \
                 jobs; yours gets its share as they come free",
            ),
            (
                fleet(2, 0, 2, 2),
                "2 agents: 0 paused, 2 busy, 0 free: all slots are busy with 2 other consumers' \
                 jobs; yours gets its share as they come free",
            ),
        ] {
            assert_eq!(fleet.in_words(), said);
        }
        let own = FleetSummary { own: 2, ..FleetSummary::default() };
        assert!(own.in_words().starts_with("only your own 2 agents"));
    }
}
