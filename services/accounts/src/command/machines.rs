//! What an owner does with a machine from afar: rename it, hold it back, remove it; and the key
//! that a machine signs its results with, which is set once.

use ed25519_dalek::VerifyingKey;
use medusa_api::{AgentCaps, AgentChange, AgentLimits};
use medusa_eventlog::NewEvent;
use medusa_events::Fact;
use medusa_types::{AgentId, Sha256Hash, UserId};

use super::AgentRow;
use crate::domain::machine_name;
use crate::store::agents;
use crate::{Accounts, AccountsError};

/// The most chunks at a time that can be asked for.
const SLOTS_MAX: u32 = 256;
/// The least memory that can be asked for: less does not run anything.
const MEMORY_BYTES_MIN: u64 = 16 << 20;

/// A public key in hexadecimal.
pub(super) fn public_key(text: &str) -> Result<[u8; 32], AccountsError> {
    // 32 bytes are written as a digest is.
    let key = text.parse::<Sha256Hash>().map_err(|_| AccountsError::AgentKeyRefused)?.0;
    if is_usable(&key) { Ok(key) } else { Err(AccountsError::AgentKeyRefused) }
}

/// Whether signatures of this key can be checked: a point of the curve in its only encoding, and
/// not one of the few that fit signatures which anybody can make up.
fn is_usable(key: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|point| !point.is_weak() && point.to_edwards().compress().as_bytes() == key)
}

/// What is asked of the machine after this change.
fn limits(now: AgentLimits, change: &AgentChange) -> Result<AgentLimits, AccountsError> {
    let mut limits = AgentLimits { paused: change.paused.unwrap_or(now.paused), ..now };
    if let Some(AgentCaps { slots, memory_bytes }) = change.limits {
        if slots.is_some_and(|slots| !(1..=SLOTS_MAX).contains(&slots)) {
            return Err(AccountsError::AgentSlots);
        }
        let memory_max = u64::try_from(i64::MAX).unwrap_or_default();
        if memory_bytes.is_some_and(|bytes| !(MEMORY_BYTES_MIN..=memory_max).contains(&bytes)) {
            return Err(AccountsError::AgentMemory);
        }
        (limits.slots, limits.memory_bytes) = (slots, memory_bytes);
    }
    Ok(limits)
}

impl Accounts {
    /// A machine that was not removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn machine(&self, agent: AgentId) -> Result<Option<AgentRow>, AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        Ok(agents::get(&mut db, agent).await?.filter(|(_, is_there)| *is_there).map(|(row, _)| row))
    }

    /// The ids of all machines that a person ever enrolled, and how many of them were removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn machines_ever_of(
        &self,
        owner: UserId,
    ) -> Result<(Vec<AgentId>, u64), AccountsError> {
        let found = agents::ever_of_owner(&mut *self.0.pool.acquire().await?, owner).await?;
        let removed = found.iter().filter(|(_, is_there)| !is_there).count();
        let removed = u64::try_from(removed).unwrap_or_default();
        Ok((found.into_iter().map(|(agent, _)| agent).collect(), removed))
    }

    /// Changes a person's machine, and says so in the log; the last position of it, 0 if everything
    /// was as it is asked for. Nothing when there is no such machine. Changes of one machine follow
    /// one another: none takes back what another has written meanwhile.
    ///
    /// # Errors
    /// [`AccountsError::NameInvalid`], [`AccountsError::AgentSlots`] and
    /// [`AccountsError::AgentMemory`].
    pub async fn change_machine(
        &self,
        owner: UserId,
        agent: AgentId,
        change: &AgentChange,
    ) -> Result<Option<(AgentRow, i64)>, AccountsError> {
        let mut tx = self.0.pool.begin().await?;
        let found = agents::get_locked(&mut tx, agent).await?;
        let Some((row, _)) = found.filter(|(row, is_there)| *is_there && row.owner == owner) else {
            return Ok(None);
        };
        let name = change.name.as_deref().map(machine_name).transpose()?;
        let name = name.unwrap_or_else(|| row.name.clone());
        let changed = AgentRow { limits: limits(row.limits, change)?, name, ..row.clone() };
        let mut position = 0;
        // What the log does not take does not happen.
        if changed.name != row.name {
            position = self.tell(owner, agent, Fact::AgentRenamed { agent }).await?;
        }
        if changed.limits != row.limits {
            let AgentLimits { paused, slots, memory_bytes } = changed.limits;
            let wish = if paused { "pause" } else { "run" }.to_owned();
            let fact = Fact::AgentLimited { agent, wish, slots, memory_bytes };
            position = self.tell(owner, agent, fact).await?;
        }
        agents::change(&mut tx, &changed).await?;
        tx.commit().await?;
        // The name is in what is kept of the key.
        self.0.agents.clear();
        Ok(Some((changed, position)))
    }

    async fn tell(&self, owner: UserId, agent: AgentId, fact: Fact) -> Result<i64, AccountsError> {
        let event = NewEvent::new(format!("agent-{agent}"), fact);
        let event = NewEvent { actor: Some(owner), ..event };
        Ok(self.0.log.append_one(None, event).await?.position)
    }

    /// Removes a person's machine: its key opens nothing from now on. Whether there is, or was,
    /// such a machine; removing it again changes nothing.
    ///
    /// # Errors
    /// When the database or the log fails.
    pub async fn remove_machine(
        &self,
        owner: UserId,
        agent: AgentId,
    ) -> Result<bool, AccountsError> {
        let now = self.0.clock.now();
        let mut db = self.0.pool.acquire().await?;
        let is_own = agents::revoke(&mut db, owner, agent, now).await?;
        drop(db);
        self.0.agents.clear();
        if is_own {
            let (key, stream) = (format!("revoke:{agent}"), format!("agent-{agent}"));
            let fact = Fact::AgentRevoked { agent, owner };
            self.append_once(key, stream, Some(owner), fact).await?;
        }
        Ok(is_own)
    }

    /// A machine says which key it signs with. The same again changes nothing.
    ///
    /// # Errors
    /// [`AccountsError::AgentKeyRefused`], and [`AccountsError::AgentKeySet`] when it has another.
    pub async fn set_machine_key(&self, agent: AgentId, key: &str) -> Result<(), AccountsError> {
        let key = public_key(key)?;
        let kept = agents::set_public_key(&mut *self.0.pool.acquire().await?, agent, key).await?;
        if kept != Some(key) {
            return Err(AccountsError::AgentKeySet);
        }
        self.tell_key(agent, key).await
    }

    pub(super) async fn tell_key(
        &self,
        agent: AgentId,
        key: [u8; 32],
    ) -> Result<(), AccountsError> {
        let public_key = Sha256Hash(key).to_string();
        let (key, stream) = (format!("key:{agent}"), format!("agent-{agent}"));
        self.append_once(key, stream, None, Fact::AgentKeySet { agent, public_key }).await
    }
}
