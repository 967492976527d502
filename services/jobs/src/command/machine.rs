//! Owners and their machines from afar: changes reach the machine over its open link at once.

use medusa_api::{Agent, AgentChange};
use medusa_platform::ApiError;
use medusa_types::{AgentId, UserId};

use super::Jobs;
use crate::actor::{Dismiss, Steer};
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
        let changed = self.parts.agents.change(owner, agent, change).await?;
        let (machine, position) = changed.ok_or_else(|| ApiError::not_found("agent"))?;
        let steer = Steer { agent, name: machine.name.clone(), limits: machine.limits };
        self.scheduler.send(steer).await.map_err(JobsError::from)?;
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
}
