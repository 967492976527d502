//! SHA-256 digests: the address of every blob and the leaf of every event.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash(pub [u8; 32]);

/// The text was not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal digits")]
pub struct HashError;

impl Sha256Hash {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 128 bits: enough to tell apart what nobody makes equal on purpose.
    #[must_use]
    pub fn short(&self) -> u128 {
        let (first, _) = self.0.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        u128::from_be_bytes(*first)
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b.wrapping_sub(b'0')),
            b'a'..=b'f' => Ok(b.wrapping_sub(b'a').wrapping_add(10)),
            _ => Err(HashError),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(HashError) };
        let mut out = [0_u8; 32];
        if pairs.len() != out.len() {
            return Err(HashError);
        }
        for (slot, [high, low]) in out.iter_mut().zip(pairs) {
            *slot = (digit(*high)? << 4) | digit(*low)?;
        }
        Ok(Self(out))
    }
}

impl TryFrom<&[u8]> for Sha256Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}

impl Serialize for Sha256Hash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Hash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let hash = Sha256Hash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!("AB".repeat(32).parse::<Sha256Hash>(), Err(HashError));
        assert_eq!("ab".parse::<Sha256Hash>(), Err(HashError));
    }
}
