//! The smallest parts of the text formats: decimals, base64 and lines of hashes. Each value has
//! exactly one text; any other spelling of it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Hash;

/// A decimal without sign and without leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Standard base64 with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of base64; the decoder refuses missing padding and stray bits behind the last byte.
pub(crate) fn parse_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A hash of exactly 32 bytes.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    parse_base64(text)?.try_into().ok()
}

/// One line of base64 for each hash.
pub(crate) fn hash_lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| encode_base64(hash) + "\n").collect()
}
