//! Which version there is, as its publisher signed it. `agent.json` lies beside `agent.json.sig`,
//! 64 bytes of Ed25519 over the bytes of the file:
//!
//! ```json
//! {"what":"medusa-agent update 1","version":"0.2.0","programs":{"x86_64-linux":
//!  {"path":"medusa-agent-0.2.0-x86_64-linux","bytes":23068672,"sha256":"…"}}}
//! ```
//!
//! The signature is checked before anything is read. `what` keeps a signature of something else
//! from being one of a list. A list that is not newer than this program is no update, whoever
//! signed it: nobody can lead a machine back to an old mistake.

use std::collections::BTreeMap;
use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use medusa_types::Sha256Hash;
use serde::Deserialize;

/// What the signature is for.
const WHAT: &str = "medusa-agent update 1";
/// A program is smaller.
const BYTES_MAX: u64 = 256 << 20;

/// A version of the agent: three numbers, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u64; 3]);

/// A newer program than this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) version: Version,
    /// The file's name, beside the list.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: Sha256Hash,
}

/// Why a list is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("the list of versions is not signed by the key that this program trusts")]
    Signature,
    #[error("the list of versions cannot be read: {0}")]
    Content(String),
    #[error("version {version} is not offered for {target}")]
    Target { version: Version, target: String },
}

#[derive(Deserialize)]
struct Manifest {
    what: String,
    version: String,
    programs: BTreeMap<String, Program>,
}

#[derive(Deserialize)]
struct Program {
    path: String,
    bytes: u64,
    sha256: String,
}

impl Version {
    /// Reads `1.2.3`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split('.').map_while(|number| number.parse().ok()).collect();
        let version = Self(numbers.try_into().ok()?);
        // Only one text is each version.
        (version.to_string() == text).then_some(version)
    }

    /// The version of this program.
    pub(crate) fn own() -> Self {
        Self::read(env!("CARGO_PKG_VERSION")).unwrap_or(Self([0; 3]))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The kind of machine, as lists name it.
pub(crate) fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// What a signed list offers to a program of this version, if it is newer.
///
/// # Errors
/// [`ManifestError`] when the list is not signed, or is none.
pub(crate) fn newer(
    list: &[u8],
    signature: &[u8],
    key: &VerifyingKey,
    own: Version,
    target: &str,
) -> Result<Option<Release>, ManifestError> {
    let signature = Signature::from_slice(signature).map_err(|_| ManifestError::Signature)?;
    key.verify_strict(list, &signature).map_err(|_| ManifestError::Signature)?;
    let bad = |why: &str| ManifestError::Content(why.to_owned());
    let manifest: Manifest = serde_json::from_slice(list).map_err(|e| bad(&e.to_string()))?;
    if manifest.what != WHAT {
        return Err(bad("it is of another kind"));
    }
    let version = Version::read(&manifest.version).ok_or_else(|| bad("the version"))?;
    if version <= own {
        return Ok(None);
    }
    let program = manifest.programs.get(target);
    let target = || ManifestError::Target { version, target: target.to_owned() };
    let program = program.ok_or_else(target)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if program.path.is_empty() || !program.path.chars().all(is_name) {
        return Err(bad("a path is more than a name"));
    }
    if program.bytes > BYTES_MAX {
        return Err(bad("a program is too large"));
    }
    let sha256 = program.sha256.parse().map_err(|_| bad("a digest"))?;
    Ok(Some(Release { version, path: program.path.clone(), bytes: program.bytes, sha256 }))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    fn signer() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn list(what: &str, version: &str, path: &str) -> Vec<u8> {
        let sha256 = Sha256Hash::of(b"program");
        format!(
            r#"{{"what":"{what}","version":"{version}","notes":"later lists may say more",
                "programs":{{"cpu-os":{{"path":"{path}","bytes":7,"sha256":"{sha256}"}}}}}}"#
        )
        .into_bytes()
    }

    fn look(list: &[u8], by: &SigningKey) -> Result<Option<Release>, ManifestError> {
        let signature = by.sign(list).to_bytes();
        let own = Version([0, 9, 9]);
        newer(list, &signature, &signer().verifying_key(), own, "cpu-os")
    }

    #[test]
    fn a_newer_version_is_a_release() {
        let release = look(&list(WHAT, "0.10.0", "agent-0.10.0"), &signer()).unwrap().unwrap();
        assert_eq!((release.version.to_string().as_str(), release.bytes), ("0.10.0", 7));
        for not_newer in ["0.9.9", "0.9.8", "0.0.99"] {
            let found = look(&list(WHAT, not_newer, "a"), &signer()).unwrap();
            assert_eq!(found, None, "{not_newer}");
        }
    }

    #[test]
    fn what_is_not_signed_is_not_read() {
        let good = list(WHAT, "1.0.0", "a");
        let other = SigningKey::from_bytes(&[8; 32]);
        assert!(matches!(look(&good, &other), Err(ManifestError::Signature)));
        let signature = signer().sign(&good).to_bytes();
        let key = signer().verifying_key();
        for at in [0, 9, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let found = newer(&bad, &signature, &key, Version([0; 3]), "cpu-os");
            assert!(matches!(found, Err(ManifestError::Signature)));
        }
        let found = newer(&good, &signature[1..], &key, Version([0; 3]), "cpu-os");
        assert!(matches!(found, Err(ManifestError::Signature)));
    }

    #[test]
    fn a_signed_text_of_another_kind_is_refused() {
        let signed = |list: Vec<u8>| look(&list, &signer());
        assert!(signed(list("medusa result v1", "1.0.0", "a")).is_err());
        for version in ["1.0", "1.0.0-rc", "01.0.0", "+1.0.0", ""] {
            assert!(signed(list(WHAT, version, "a")).is_err(), "{version}");
        }
        for path in ["", "../a", "a/b", "a b", "https:a"] {
            assert!(signed(list(WHAT, "1.0.0", path)).is_err(), "{path}");
        }
        assert!(signed(b"{}".to_vec()).is_err());
        let elsewhere = String::from_utf8(list(WHAT, "1.0.0", "a")).unwrap();
        let found = signed(elsewhere.replace("cpu-os", "cpu-other").into_bytes());
        assert!(matches!(found, Err(ManifestError::Target { .. })));
    }

    #[test]
    fn this_program_has_a_version() {
        assert!(Version::own() > Version([0; 3]));
        assert_eq!(target().split('-').count(), 2);
    }
}
