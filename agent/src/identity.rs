//! Who this machine is to the server: `<data>/identity.json`, readable by its owner alone.
//!
//! ```json
//! {"server":"http://127.0.0.1:7700","agent":"agt_…","name":"…","agent_key":"…"}
//! ```
//!
//! Enrolment writes it; a launcher may write it before the first start. It is never removed, not
//! even when the server refuses it: only a new enrolment replaces it.

use std::io;
use std::path::{Path, PathBuf};

use medusa_types::AgentId;
use serde::{Deserialize, Serialize};

use crate::disk;

/// The content of the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The server that knows this machine, without a slash at the end.
    pub server: String,
    /// The machine's id there.
    pub agent: AgentId,
    /// The machine's name there.
    pub name: String,
    /// The secret that proves it.
    pub agent_key: String,
}

/// Why there is no usable identity file.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file exists but cannot be read, or cannot be written.
    #[error("could not read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not an identity.
    #[error("{path} is not an identity: remove it to enrol again")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Identity {
    /// The identity kept in this data directory, if the machine was enrolled.
    ///
    /// # Errors
    /// [`IdentityError`] when there is a file that cannot be used.
    pub fn load(data: &Path) -> Result<Option<Self>, IdentityError> {
        let path = Self::path(data);
        let content = disk::read(&path)
            .map_err(|source| IdentityError::File { path: path.clone(), source })?;
        content
            .map(|content| serde_json::from_slice(&content))
            .transpose()
            .map_err(|source| IdentityError::Content { path, source })
    }

    /// Keeps it in this data directory.
    ///
    /// # Errors
    /// [`IdentityError::File`] when it cannot be written.
    pub fn save(&self, data: &Path) -> Result<(), IdentityError> {
        let path = Self::path(data);
        let write = || {
            disk::make_private_dir(data)?;
            disk::write(&path, &serde_json::to_vec(self)?)
        };
        write().map_err(|source| IdentityError::File { path: path.clone(), source })
    }

    fn path(data: &Path) -> PathBuf {
        data.join("identity.json")
    }
}

impl std::fmt::Debug for Identity {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} at {})", self.agent, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::is_open_to_others;
    use crate::scratch::Scratch;

    fn identity() -> Identity {
        Identity {
            server: "http://127.0.0.1:7700".into(),
            agent: AgentId(uuid::Uuid::from_u128(7)),
            name: "desk".into(),
            agent_key: "open sesame".into(),
        }
    }

    #[test]
    fn an_identity_is_kept_for_its_owner_alone() {
        let scratch = Scratch::new();
        let data = scratch.path().join("new/data");
        assert_eq!(Identity::load(&data).unwrap(), None);
        identity().save(&data).unwrap();
        assert_eq!(Identity::load(&data).unwrap(), Some(identity()));
        assert!(!is_open_to_others(&data.join("identity.json")).unwrap());
        assert!(!is_open_to_others(&data).unwrap());
    }

    #[test]
    fn a_damaged_identity_is_an_error_and_stays() {
        let scratch = Scratch::new();
        let file = scratch.path().join("identity.json");
        std::fs::write(&file, "{}").unwrap();
        let error = Identity::load(scratch.path()).unwrap_err();
        assert!(matches!(error, IdentityError::Content { .. }), "{error}");
        assert!(file.exists());
    }

    #[test]
    fn the_secret_is_not_in_what_is_logged() {
        assert!(!format!("{:?}", identity()).contains("sesame"));
    }
}
