//! Owners and their machines from afar: changes reach the machine over its open link at once.

use medusa_api::{Agent, AgentChange};
use medusa_platform::ApiError;
use medusa_types::{AgentId, UserId};

use super::Jobs;
use crate::actor::{Dismiss, Signs, Steer};
use crate::error::JobsError;

impl Jobs {
    /// Changes a person's machine; the position of what was written, 0 when nothing was.
    ///
    /// # Errors
    /// `platform.not_found` also when it is somebody else's; what accounts refuse.
    pub async fn change_agent(
        &self,
        owner: UserId,
        agent: AgentId,
        change: &AgentChange,
    ) -> Result<(Agent, i64), ApiError> {
        // The machine hears of changes in the order in which they were written.
        let turn = self.steering.lock().await;
        let changed = self.parts.agents.change(owner, agent, change).await?;
        let (machine, position) = changed.ok_or_else(|| ApiError::not_found("agent"))?;
        let steer = Steer { agent, name: machine.name.clone(), limits: machine.limits };
        self.scheduler.send(steer).await.map_err(JobsError::from)?;
        drop(turn);
        let seen = self.seen(vec![machine]).await?.pop();
        Ok((seen.ok_or_else(|| ApiError::not_found("agent"))?, position))
    }

    /// Removes a person's machine: its key opens nothing any more, its link is closed, and its
    /// leases end without a mark.
    ///
    /// # Errors
    /// `platform.not_found` also when it is somebody else's.
    pub async fn remove_agent(&self, owner: UserId, agent: AgentId) -> Result<(), ApiError> {
        if !self.parts.agents.remove(owner, agent).await? {
            return Err(ApiError::not_found("agent"));
        }
        self.scheduler.send(Dismiss(agent)).await.map_err(JobsError::from)?;
        Ok(())
    }

    /// Keeps the key that a machine signs with; a link that does not know it is closed.
    ///
    /// # Errors
    /// `accounts.agent_key_refused`, and `accounts.agent_key_set` when it has another.
    pub(crate) async fn set_agent_key(
        &self,
        agent: AgentId,
        public_key: &str,
    ) -> Result<(), ApiError> {
        self.parts.agents.set_key(agent, public_key).await?;
        self.scheduler.send(Signs(agent)).await.map_err(JobsError::from)?;
        Ok(())
    }
}
