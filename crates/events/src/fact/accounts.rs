//! What can happen to people and to the machines that they lend.
//!
//! A listing, which the next one goes on with: one enum of all of them stands at the end.

macro_rules! accounts {
    ({ $($before:tt)* } $next:ident $($rest:ident)*) => { $next! { { $($before)*
    /// Somebody signed up.
    UserRegistered "accounts.user_registered" {
        /// The person; name and address are in the vault.
        user: UserId,
        /// What the person may do from the start.
        roles: Vec<Role>,
    }
    /// Somebody may do more.
    RoleGranted "accounts.role_granted" {
        /// The person.
        user: UserId,
        /// The new role.
        role: Role,
    }
    /// A machine was confirmed by its owner.
    AgentEnrolled "accounts.agent_enrolled" {
        /// The machine.
        agent: AgentId,
        /// Who lends it and is paid.
        owner: UserId,
    }
    /// A machine has a key of its own, which it signs its results with.
    AgentKeySet "accounts.agent_key_set" {
        /// The machine.
        agent: AgentId,
        /// The Ed25519 public key, 64 hexadecimal digits.
        public_key: String,
    }
    /// An owner gave a machine another name, which is in the vault.
    AgentRenamed "accounts.agent_renamed" {
        /// The machine.
        agent: AgentId,
    }
    /// An owner said from afar what a machine may do; it may do less.
    AgentLimited "accounts.agent_limited" {
        /// The machine.
        agent: AgentId,
        /// What: `run` or `pause`.
        wish: String,
        /// Chunks at the same time, at most.
        slots: Option<u32>,
        /// Memory for chunks, at most, in bytes.
        memory_bytes: Option<u64>,
    }
    /// An owner removed a machine: its key is worth nothing any more.
    AgentRevoked "accounts.agent_revoked" {
        /// The machine.
        agent: AgentId,
        /// Whose it was.
        owner: UserId,
    }
    } $($rest)* } };
}
