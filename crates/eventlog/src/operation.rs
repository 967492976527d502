//! The caller's own id for a command: what makes a repetition harmless.

use medusa_types::{Sha256Hash, UserId, Uuid};

/// The bits of an id below its time.
const BELOW_TIME: u128 = (1 << 80) - 1;

/// The caller's own id for a command, and a hash of what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Unique for ever; starts with whose it is, like `usr_…:key`.
    pub key: String,
    /// Another request under the same key is refused.
    pub request: Sha256Hash,
    /// Whether a refusal that might pass is final for this key. So it is for keys that clients
    /// make: what its sender has given up must not happen later.
    pub lasting: bool,
    pub(crate) id: Uuid,
    /// When the last id in the key was made, in ms since 1970.
    pub(crate) made: Option<u64>,
}

impl Operation {
    /// A command under a key that a person's client made.
    #[must_use]
    pub fn client(owner: UserId, key: &str, request: Sha256Hash) -> Self {
        Self { lasting: true, ..Self::house(format!("{owner}:{key}"), request) }
    }

    /// A command of the house, which tries again under the same key when it was refused.
    #[must_use]
    pub fn house(key: String, request: Sha256Hash) -> Self {
        let (digest, made) = (Sha256Hash::of(key.as_bytes()).short(), time_of(&key));
        let id = made.map_or(digest, |ms| (u128::from(ms) << 80) | (digest & BELOW_TIME));
        Self { key, request, lasting: false, id: Uuid::from_u128(id), made }
    }

    /// The number that stands for the key: a digest of it, but led by the time of the last id in
    /// the key that has one (a UUID of version 7), so that what is written together lies together.
    /// The SQL function `operation_id` computes the same.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The first half of the request's hash.
    pub(crate) fn request_id(&self) -> Uuid {
        Uuid::from_u128(self.request.short())
    }
}

/// When the last id in this key was made that tells it, in ms since 1970.
pub(crate) fn time_of(key: &str) -> Option<u64> {
    key.rsplit(':').find_map(|part| {
        let id = part.rsplit('_').next().unwrap_or(part);
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-';
        if !matches!(id.len(), 32 | 36) || !id.bytes().all(lower) {
            return None;
        }
        let id = Uuid::try_parse(id).ok().filter(|id| id.get_version_num() == 7)?;
        u64::try_from(id.as_u128() >> 80).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_the_time_of_the_last_id_in_its_key() {
        let id = |key: &str| Operation::house(key.into(), Sha256Hash([0; 32])).id().to_string();
        // As the SQL function says for the same keys.
        assert_eq!(id("x"), "2d711642-b726-b044-0162-7ca9fbac32f5");
        let settle = id("settle:job_0190163d8694739b8fffff0123456789:4");
        assert!(settle.starts_with("0190163d-8694-"), "{settle}");
        assert_eq!(time_of("usr_0190163d8694439b8fffff0123456789:key"), None);
        let key = "usr_0190163d8694739b8fffff0123456789:0190163d-8695-739b-8fff-ff0123456789";
        assert_eq!(time_of(key), Some(0x0190_163d_8695));
    }
}
