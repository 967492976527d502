//! Records of agents: read for those who decide by them, shown to those who own them, and pardoned
//! by an admin.

use std::collections::BTreeSet;
use std::net::IpAddr;

use medusa_api::Agent;
use medusa_eventlog::{Append, NewEvent, Operation};
use medusa_events::Fact;
use medusa_types::{AgentId, Sha256Hash, UserId};
use sqlx::PgConnection;

use super::Jobs;
use crate::actor::Standings;
use crate::domain::{Standing, Tie, network};
use crate::error::JobsError;
use crate::store;

impl Jobs {
    /// Tells the scheduler of all records that changed after a position of the log; answers the
    /// last position among them.
    pub(crate) async fn announce_standings(&self, after: i64) -> Result<i64, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let (changed, last) = store::agent::changed(&mut db, after).await?;
        drop(db);
        let now = self.parts.clock.now();
        for (agent, standing) in &changed {
            let out = standing.quarantined(&self.parts.config.trust, now).is_some();
            if out && standing.stake.is_positive() {
                self.forfeit(*agent, standing).await?;
            }
        }
        if !changed.is_empty() {
            self.scheduler.send(Standings(changed)).await?;
        }
        Ok(last)
    }

    /// Takes from a quarantined agent's owner what the agent could lose: once for each proof,
    /// however often and by whichever process it is noticed.
    async fn forfeit(&self, agent: AgentId, standing: &Standing) -> Result<(), JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        let Some(lender) = store::agent::lender(&mut db, agent).await? else { return Ok(()) };
        drop(db);
        let amount = standing.stake;
        let fact = Fact::EarningsForfeited { agent, lender, amount };
        let struck_at = standing.struck_at.unwrap_or_default().micros();
        let request = Sha256Hash::of(format!("{agent} {struck_at}").as_bytes());
        let key = format!("forfeit:{agent}:{struck_at}");
        let moves = self.parts.escrows.moves(&fact);
        let event = NewEvent::new(format!("trust-{agent}"), fact).moving(moves);
        let operation = Some(Operation::house(key, request));
        let append = Append { operation, events: vec![event] };
        if let Err(error) = self.parts.log.append(append).await {
            // The next change of its record leads here again.
            tracing::error!(%agent, %error, "what an agent forfeits could not be taken");
        }
        Ok(())
    }

    /// What ties an owner's agent at this address to other owners.
    pub(crate) async fn ties(
        &self,
        owner: UserId,
        address: Option<IpAddr>,
    ) -> Result<BTreeSet<Tie>, JobsError> {
        let private = self.parts.config.trust.private_networks > 0;
        let accounts = self.parts.agents.ties(owner).await?;
        let network = address.and_then(|address| network(address, private));
        Ok(accounts.into_iter().map(Tie::Account).chain(network).collect())
    }

    /// Fills in what an agent's record says.
    pub(super) async fn show_standing(
        &self,
        db: &mut PgConnection,
        agent: &mut Agent,
    ) -> Result<(), JobsError> {
        let found = store::agent::of(db, &[agent.id]).await?;
        let standing = found.first().map(|(_, standing)| *standing).unwrap_or_default();
        let rules = &self.parts.config.trust;
        (agent.streak, agent.score) = (standing.streak, standing.score);
        agent.stake = standing.stake;
        agent.check_ppm = standing.check_ppm(rules);
        agent.quarantined_until = standing.quarantined(rules, self.parts.clock.now());
        agent.marks = store::agent::marks(db, agent.id).await?;
        Ok(())
    }

    /// Lifts the quarantine of an agent; answers the position of the event. The record of its
    /// results stays as it is.
    ///
    /// # Errors
    /// [`JobsError::Missing`] when there is no record of such an agent.
    pub async fn reinstate(
        &self,
        admin: UserId,
        key: &str,
        agent: AgentId,
    ) -> Result<i64, JobsError> {
        let mut db = self.parts.log.pool().acquire().await?;
        if store::agent::of(&mut db, &[agent]).await?.is_empty() {
            return Err(JobsError::Missing("agent"));
        }
        drop(db);
        let request = Sha256Hash::of(format!("reinstate {agent}").as_bytes());
        let operation = Some(Operation::client(admin, key, request));
        let event = NewEvent::new(format!("trust-{agent}"), Fact::AgentReinstated { agent });
        let append = Append { operation, events: vec![event.by(admin)] };
        let position = self.parts.log.append(append).await?.position;
        self.parts.progress.reached(position).await;
        Ok(position)
    }
}
