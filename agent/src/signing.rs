//! What this machine signs its results with: `<data>/signing.json`, readable by its owner alone.
//!
//! The key is drawn at enrolment, or at the next start of a machine that was enrolled before there
//! were any, and belongs to one identity at one server. The server keeps the public half and never
//! takes another one, so the file is worth as much as `identity.json`.

use std::io;
use std::path::Path;

use medusa_protocol::{Features, Frame, Message, Pen, Report, signed_bytes};
use medusa_types::{AgentId, Fuel, Sha256Hash};
use serde::{Deserialize, Serialize};

use crate::server::{CallError, Server};
use crate::{chance, disk};

const FILE: &str = "signing.json";

/// A frame in the words that the server knows, and a report's signature over what it says then;
/// nothing when there are none for it.
pub(crate) fn signed(frame: &Frame, features: &Features, pen: Option<&Pen>) -> Option<Frame> {
    let mut message = features.put(frame.message.clone())?;
    if let (Message::Report(report), Some(pen)) = (&mut message, pen) {
        sign(report, pen);
    }
    Some(Frame { message, payload: frame.payload.clone() })
}

/// Signs what the report says. A lease whose name is not one is refused whatever it says.
fn sign(report: &mut Report, pen: &Pen) {
    let Ok(lease) = report.lease.parse() else { return };
    let output = Sha256Hash(report.output);
    let bytes = signed_bytes(lease, report.outcome, Fuel(report.fuel), output);
    report.signature = Some(pen.sign(&bytes).into());
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signing {
    /// Whose it is; nobody's yet during an enrolment.
    agent: Option<AgentId>,
    /// Secret bytes, in hexadecimal.
    secret: Sha256Hash,
    /// The server knows the public half.
    is_known: bool,
}

impl Signing {
    /// A new key, for a machine that is being enrolled.
    pub(crate) fn draw() -> Self {
        let secret = Sha256Hash::of(chance::secret().as_bytes());
        Self { agent: None, secret, is_known: false }
    }

    /// The key of this machine, drawn and kept now if it has none.
    pub(crate) fn of(data: &Path, agent: AgentId) -> Self {
        let content = disk::read(&data.join(FILE)).ok().flatten().unwrap_or_default();
        let kept = serde_json::from_slice::<Self>(&content).ok();
        if let Some(kept) = kept.filter(|kept| kept.agent == Some(agent)) {
            return kept;
        }
        let drawn = Self { agent: Some(agent), ..Self::draw() };
        drawn.keep(data);
        drawn
    }

    /// The key is this machine's from now on.
    pub(crate) fn belongs(self, agent: AgentId, data: &Path) -> Self {
        let own = Self { agent: Some(agent), ..self };
        own.keep(data);
        own
    }

    pub(crate) fn pen(&self) -> Pen {
        Pen::of(self.secret.as_bytes())
    }

    /// The public half, in hexadecimal.
    pub(crate) fn public_key(&self) -> String {
        Sha256Hash(self.pen().public_key()).to_string()
    }

    /// Tells the server the public half, once. What fails may pass, and is tried at the next link;
    /// a server of before there were any takes results without signatures.
    pub(crate) async fn register(&mut self, server: &Server, data: &Path) {
        if self.is_known {
            return;
        }
        match server.sign_with(&self.public_key()).await {
            Ok(()) => {
                self.is_known = true;
                self.keep(data);
            }
            Err(error) if error.code() == "accounts.agent_key_set" => {
                tracing::error!(
                    "the server knows another key of this machine and will refuse its results: \
                     put {FILE} back, or enrol it again"
                );
            }
            Err(CallError::Status(_) | CallError::Refused(_)) => {
                tracing::debug!("the server does not take keys");
            }
            Err(error) => tracing::debug!(%error, "the server did not hear of the key"),
        }
    }

    fn keep(&self, data: &Path) {
        let write = || -> io::Result<()> {
            disk::make_private_dir(data)?;
            disk::write(&data.join(FILE), &serde_json::to_vec(self)?)
        };
        if let Err(error) = write() {
            tracing::error!(%error, "the key that signs results was not kept");
        }
    }
}

impl std::fmt::Debug for Signing {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signing({:?})", self.agent)
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_key_stays_with_its_identity() {
        let scratch = Scratch::new();
        let (one, other) = (AgentId(Uuid::from_u128(1)), AgentId(Uuid::from_u128(2)));
        let drawn = Signing::of(scratch.path(), one);
        assert_eq!(Signing::of(scratch.path(), one), drawn);
        assert_ne!(Signing::of(scratch.path(), other).secret, drawn.secret, "another identity");
        let enrolled = Signing::draw().belongs(one, scratch.path());
        assert_eq!(Signing::of(scratch.path(), one), enrolled);
        assert!(!format!("{enrolled:?}").contains(&enrolled.secret.to_string()));
    }
}
