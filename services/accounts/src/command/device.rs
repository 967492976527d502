//! The device flow (RFC 8628): a machine shows a code, its owner confirms it on the website, and
//! the machine gets a key of its own, once.
//!
//! The key is made when the machine fetches it and is stored as a hash only; until then the agent
//! stands under the hash of a secret that nobody was given.

use std::collections::BTreeMap;
use std::net::IpAddr;

use medusa_api::{
    Agent, AgentLimits, AgentState, DeviceAbout, DeviceApproval, DeviceCode, DevicePoll,
    DeviceRequest, DeviceToken, DeviceWaiting,
};
use medusa_events::Fact;
use medusa_platform::{AgentPrincipal, Principal};
use medusa_types::{AgentId, Credits, Role, Sha256Hash, Timestamp, UserId};

use super::machines::public_key;
use crate::domain::{Key, UserCode, machine_name};
use crate::store::agents;
use crate::store::devices::{self, NewDevice};
use crate::{Accounts, AccountsError, hash_of};

/// Codes that are drawn before giving up; each is taken with a chance of one in a million.
const DRAWS_MAX: usize = 4;
/// Characters of a system's name that are kept.
const SYSTEM_CHARS_MAX: usize = 60;

/// An enrolled machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRow {
    /// Its id.
    pub agent: AgentId,
    /// What its owner calls it.
    pub name: String,
    /// Who lends it.
    pub owner: UserId,
    /// Since when.
    pub enrolled_at: Timestamp,
    /// What the owner asked of it.
    pub limits: AgentLimits,
    /// The Ed25519 key that it signs its results with, if it has one.
    pub public_key: Option<[u8; 32]>,
}

/// What a machine says of itself, as far as it can be shown: no zeros, and a short line of text.
fn plain(about: DeviceAbout) -> DeviceAbout {
    let system = about.system.map(|text| {
        let shown = text.chars().filter(|char| !char.is_control()).take(SYSTEM_CHARS_MAX);
        shown.collect::<String>().trim().to_owned()
    });
    DeviceAbout {
        cores: about.cores.filter(|cores| *cores > 0),
        memory_bytes: about.memory_bytes.filter(|bytes| *bytes > 0),
        system: system.filter(|text| !text.is_empty()),
    }
}

impl Accounts {
    /// A machine asks to be enrolled.
    ///
    /// # Errors
    /// When the name is refused, or when too many machines wait.
    pub async fn device_request(
        &self,
        form: DeviceRequest,
        from: IpAddr,
    ) -> Result<DeviceCode, AccountsError> {
        let name = machine_name(&form.name)?;
        let public_key = form.public_key.as_deref().map(public_key).transpose()?;
        let (about, address) = (plain(form.about.unwrap_or_default()), from.to_string());
        let (about, address) = (&about, address.as_str());
        let limits = &self.0.limits;
        let created_at = self.0.clock.now();
        let expires_at = created_at.plus_ms(limits.device_ms);
        let device_code = self.0.random.token();
        let hash = hash_of(&device_code);
        let mut db = self.0.pool.acquire().await?;
        if devices::waiting(&mut db, created_at).await? >= limits.devices_waiting_max {
            return Err(AccountsError::Busy);
        }
        for _ in 0..DRAWS_MAX {
            let Some(code) = UserCode::draw(self.0.random.secret()) else { continue };
            let (code, name) = (&code, name.as_str());
            let row =
                NewDevice { hash, code, name, public_key, about, address, created_at, expires_at };
            if devices::insert(&mut db, &row).await? {
                return Ok(self.device_code(device_code, code));
            }
        }
        Err(AccountsError::Busy)
    }

    fn device_code(&self, device_code: String, code: &UserCode) -> DeviceCode {
        let limits = &self.0.limits;
        let user_code = code.shown();
        let verification_uri = format!("{}/device", self.0.public_url);
        DeviceCode {
            device_code,
            verification_uri_complete: format!("{verification_uri}?code={user_code}"),
            verification_uri,
            user_code,
            expires_in: u64::try_from(limits.device_ms).unwrap_or_default().div_euclid(1_000),
            interval: limits.device_interval_s,
        }
    }

    /// The machine that shows this code, before its owner confirms it. Asking counts as a try.
    ///
    /// # Errors
    /// [`AccountsError::DeviceCodeUnknown`], [`AccountsError::TooManyTries`], or a missing role.
    pub async fn device_waiting(
        &self,
        owner: &Principal,
        code: &str,
    ) -> Result<DeviceWaiting, AccountsError> {
        owner.require(Role::Lender)?;
        let (keys, now) = ([Key::Codes(owner.user)], self.0.clock.now());
        self.admit(&keys)?;
        let code = UserCode::parse(code).ok_or(AccountsError::DeviceCodeUnknown)?;
        let mut db = self.0.pool.acquire().await?;
        let found = devices::waiting_with(&mut db, &code, now).await?;
        let found = found.ok_or(AccountsError::DeviceCodeUnknown)?;
        self.throttle().succeeded(&keys, now);
        Ok(found)
    }

    /// The owner confirms the machine that shows this code. Confirming it again changes nothing.
    ///
    /// # Errors
    /// [`AccountsError::DeviceCodeUnknown`], [`AccountsError::TooManyTries`], a refused name, or a
    /// missing role.
    pub async fn device_approve(
        &self,
        owner: &Principal,
        form: &DeviceApproval,
    ) -> Result<Agent, AccountsError> {
        owner.require(Role::Lender)?;
        let wanted = match form.name.trim() {
            "" => None,
            name => Some(machine_name(name)?),
        };
        let keys = [Key::Codes(owner.user)];
        self.admit(&keys)?;
        let code = UserCode::parse(&form.user_code).ok_or(AccountsError::DeviceCodeUnknown)?;
        let row = self.confirm(owner.user, &code, wanted).await?;
        self.throttle().succeeded(&keys, self.0.clock.now());
        self.enrol(&row).await?;
        Ok(Agent {
            id: row.agent,
            name: row.name,
            state: AgentState::Offline,
            enrolled_at: row.enrolled_at,
            chunks: 0,
            earned: Credits::ZERO,
            streak: 0,
            score: 0,
            stake: Credits::ZERO,
            // Nobody believes a newcomer unseen.
            check_ppm: 1_000_000,
            quarantined_until: None,
            marks: Vec::new(),
            remote: row.limits,
            now: None,
            public_key: row.public_key.map(|key| Sha256Hash(key).to_string()),
        })
    }

    async fn confirm(
        &self,
        owner: UserId,
        code: &UserCode,
        wanted: Option<String>,
    ) -> Result<AgentRow, AccountsError> {
        let now = self.0.clock.now();
        let mut db = self.0.pool.begin().await?;
        let found = devices::lock_by_code(&mut db, code, now).await?;
        let device = found.ok_or(AccountsError::DeviceCodeUnknown)?;
        if let Some(agent) = device.agent {
            let row = agents::get(&mut db, agent).await?.map(|(row, _)| row);
            let own = row.filter(|row| row.owner == owner);
            return own.ok_or(AccountsError::DeviceCodeUnknown);
        }
        let row = AgentRow {
            agent: AgentId(self.0.random.id()),
            name: wanted.unwrap_or(device.name),
            owner,
            enrolled_at: now,
            limits: AgentLimits::default(),
            public_key: device.public_key,
        };
        agents::insert(&mut db, &row, hash_of(&self.0.random.token())).await?;
        devices::confirm(&mut db, code, row.agent).await?;
        db.commit().await?;
        Ok(row)
    }

    /// The part of confirming that other services see. Done again before the key is given out,
    /// because a crash may have cut it off; repeated, it changes nothing.
    async fn enrol(&self, row: &AgentRow) -> Result<(), AccountsError> {
        let AgentRow { agent, owner, public_key, .. } = *row;
        let fact = Fact::AgentEnrolled { agent, owner };
        let stream = format!("agent-{agent}");
        self.append_once(format!("enrol:{agent}"), stream, Some(owner), fact).await?;
        match public_key {
            Some(key) => self.tell_key(agent, key).await,
            None => Ok(()),
        }
    }

    /// The machine asks whether it was confirmed, and gets its key, once.
    ///
    /// # Errors
    /// [`AccountsError::DevicePending`] and [`AccountsError::DeviceExpired`].
    pub async fn device_poll(&self, form: &DevicePoll) -> Result<DeviceToken, AccountsError> {
        let (hash, now) = (hash_of(&form.device_code), self.0.clock.now());
        let row = self.confirmed(hash, now).await?;
        self.enrol(&row).await?;
        let AgentRow { agent, name, .. } = row;
        let agent_key = self.0.random.token();
        let mut db = self.0.pool.begin().await?;
        if !devices::forget(&mut db, hash).await? {
            // Another poll with the same secret was faster and has the key.
            return Err(AccountsError::DeviceExpired);
        }
        agents::set_key(&mut db, agent, hash_of(&agent_key)).await?;
        db.commit().await?;
        Ok(DeviceToken { agent, name, agent_key })
    }

    /// What the machine with this secret became.
    async fn confirmed(&self, hash: Sha256Hash, now: Timestamp) -> Result<AgentRow, AccountsError> {
        let mut db = self.0.pool.acquire().await?;
        let agent = devices::agent_of(&mut db, hash, now).await?;
        let agent = agent.ok_or(AccountsError::DeviceExpired)?;
        let agent = agent.ok_or(AccountsError::DevicePending)?;
        let row = agents::get(&mut db, agent).await?.filter(|(_, is_there)| *is_there);
        row.map(|(row, _)| row).ok_or(AccountsError::DeviceExpired)
    }

    /// Which machine holds this key, if it is valid.
    pub(crate) async fn agent_of(
        &self,
        key: &str,
    ) -> Result<Option<AgentPrincipal>, AccountsError> {
        let (hash, now) = (hash_of(key), self.0.clock.now());
        if let Some(known) = self.0.agents.get(hash, now) {
            return Ok(Some(known));
        }
        let generation = self.0.agents.generation();
        let mut db = self.0.pool.acquire().await?;
        let Some(known) = agents::by_key(&mut db, hash).await? else { return Ok(None) };
        let ends = Timestamp::from_micros(i64::MAX);
        self.0.agents.put(generation, hash, known.clone(), now, ends);
        Ok(Some(known))
    }

    /// The machines of a person, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agents_of(&self, owner: UserId) -> Result<Vec<AgentRow>, AccountsError> {
        Ok(agents::of_owner(&mut *self.0.pool.acquire().await?, owner).await?)
    }

    /// What these machines are called. Unknown ones are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agent_names(
        &self,
        agents: &[AgentId],
    ) -> Result<BTreeMap<AgentId, String>, AccountsError> {
        let names = agents::names(&mut *self.0.pool.acquire().await?, agents).await?;
        Ok(names.into_iter().collect())
    }
}
