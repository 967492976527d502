//! Places in a statement: between two lines, wherever a page of it begins or ends.

use std::fmt;
use std::str::FromStr;

/// The place of a line: its event, and which of the event's postings it is. As a cursor it stands
/// for the gap beside that line; its text is `position.entry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The event.
    pub position: i64,
    /// Its posting, from 0.
    pub entry: i16,
}

impl Place {
    /// Before every line there can be.
    pub const START: Self = Self { position: 0, entry: 0 };
    /// After every line there can be.
    pub const END: Self = Self { position: i64::MAX, entry: i16::MAX };

    /// Before the first line of this event and after the last line of the one before.
    #[must_use]
    pub const fn before(position: i64) -> Self {
        Self { position, entry: -1 }
    }

    /// After the last line of this event.
    #[must_use]
    pub const fn behind(position: i64) -> Self {
        Self { position, entry: i16::MAX }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.position, self.entry)
    }
}

/// The text is not a place of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in a statement is a position, a dot and the number of a posting")]
pub struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (position, entry) = text.split_once('.').ok_or(PlaceError)?;
        let place = Self {
            position: position.parse().map_err(|_| PlaceError)?,
            entry: entry.parse().map_err(|_| PlaceError)?,
        };
        // Written in one way only, so that nobody depends on another.
        let sound = place.to_string() == text && place.position >= 0 && place.entry >= 0;
        sound.then_some(place).ok_or(PlaceError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is() {
        let place = Place { position: 12, entry: 3 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in
            ["", "12", "12.", ".3", "12.3.4", "a.b", "12.99999", "+12.3", "012.3", "-1.0", "1.-1"]
        {
            assert_eq!(text.parse::<Place>(), Err(PlaceError), "{text}");
        }
    }

    #[test]
    fn the_lines_of_an_event_lie_between_its_ends() {
        let line = |position, entry| Place { position, entry };
        let sorted = [
            Place::START,
            line(0, 7),
            Place::behind(0),
            Place::before(1),
            line(1, 0),
            line(1, 9),
            Place::behind(1),
            Place::END,
        ];
        assert!(sorted.is_sorted());
    }
}
