//! The cursor of a statement: the place of the last line that was given, `position.entry`.

use std::fmt;
use std::str::FromStr;

/// A place between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The event.
    pub(crate) position: i64,
    /// Its posting.
    pub(crate) entry: i16,
}

impl Cursor {
    /// Before the newest line there can be.
    pub(crate) const NEWEST: Self = Self { position: i64::MAX, entry: i16::MAX };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.position, self.entry)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (position, entry) = text.split_once('.').ok_or(())?;
        let read = |_| ();
        Ok(Self { position: position.parse().map_err(read)?, entry: entry.parse().map_err(read)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let cursor = Cursor { position: 12, entry: 3 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "12", "12.", ".3", "12.3.4", "a.b", "12.99999"] {
            assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
        }
    }
}
