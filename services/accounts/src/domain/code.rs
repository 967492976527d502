//! The code that a machine shows and its owner types: eight letters in two groups, like
//! `WDJB-MJHT`. No vowels, so that it spells nothing; 34 bits for 15 minutes.

use medusa_types::Sha256Hash;

const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a group.
const GROUP: usize = 4;
const LENGTH: usize = 2 * GROUP;

/// A code, as eight letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserCode(String);

impl UserCode {
    /// The code that follows from these secret bytes; nothing when they happen not to do.
    pub(crate) fn draw(secret: [u8; 32]) -> Option<Self> {
        // Hashed, because not every bit of a secret is random.
        let Sha256Hash(bytes) = Sha256Hash::of(&secret);
        // 240 is a multiple of 20: bytes above would make the first letters likelier.
        let letters = bytes.iter().filter(|b| **b < 240);
        let letters = letters.filter_map(|b| LETTERS.get(usize::from(*b % 20)));
        let code: String = letters.take(LENGTH).map(|b| char::from(*b)).collect();
        (code.len() == LENGTH).then_some(Self(code))
    }

    /// Reads what a person typed: case, dashes and spaces do not matter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let kept = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let code: String = kept.take(LENGTH + 1).map(|c| c.to_ascii_uppercase()).collect();
        let good = code.len() == LENGTH && code.bytes().all(|b| LETTERS.contains(&b));
        good.then_some(Self(code))
    }

    /// The letters alone, as they are stored.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// With the dash.
    pub(crate) fn shown(&self) -> String {
        let (left, right) = self.0.split_at_checked(GROUP).unwrap_or((&self.0, ""));
        format!("{left}-{right}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_shown_and_as_people_type_it() {
        let code = UserCode::draw([3; 32]).unwrap();
        let shown = code.shown();
        assert_eq!(shown.len(), 9);
        assert_eq!(UserCode::parse(&shown), Some(code.clone()));
        assert_eq!(UserCode::parse(&shown.to_lowercase().replace('-', " ")), Some(code.clone()));
        assert_eq!(UserCode::parse(code.as_str()), Some(code));
        for bad in ["", "WDJB", "WDJB-MJHTX", "WDJB-MJHA", "WDJB-MJH0", "WDJBMJH\u{df}"] {
            assert_eq!(UserCode::parse(bad), None, "{bad}");
        }
    }
}
