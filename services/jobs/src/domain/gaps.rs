//! What is missing of an upload, and where a part may begin.

use medusa_api::ByteRange;

/// Inside what is missing, parts begin at multiples of this.
pub(crate) const PART_BYTES: u64 = 8 * 1024 * 1024;

/// What is missing of a whole, in order. The stretches are not empty and do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gaps {
    size: u64,
    missing: Vec<ByteRange>,
}

/// Whether a part may begin at a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It may, and has this room.
    Free(u64),
    /// The byte is there already.
    There,
    /// A part may begin at this byte instead.
    Elsewhere(u64),
}

impl Gaps {
    /// What parts, by first byte and length in order of place, leave out of a whole of this size.
    pub(crate) fn of(size: u64, parts: &[(u64, u64)]) -> Self {
        let mut missing = Vec::new();
        let mut there = 0;
        for (first, bytes) in parts {
            if there < *first {
                missing.push(ByteRange { first: there, end: *first });
            }
            there = first.saturating_add(*bytes);
        }
        if there < size {
            missing.push(ByteRange { first: there, end: size });
        }
        Self { size, missing }
    }

    /// Nothing is missing.
    pub(crate) const fn none(size: u64) -> Self {
        Self { size, missing: Vec::new() }
    }

    /// The stretches that are missing.
    pub(crate) fn missing(&self) -> &[ByteRange] {
        &self.missing
    }

    /// Bytes from the beginning that are there.
    pub(crate) fn received(&self) -> u64 {
        self.missing.first().map_or(self.size, |gap| gap.first)
    }

    /// Whether a part may begin at `first`.
    pub(crate) fn place(&self, first: u64) -> Place {
        if first >= self.size {
            return Place::Elsewhere(self.received());
        }
        let Some(gap) = self.missing.iter().find(|gap| (gap.first..gap.end).contains(&first))
        else {
            return Place::There;
        };
        let over = first.checked_rem(PART_BYTES).unwrap_or_default();
        if first == gap.first || over == 0 {
            return Place::Free(gap.end.saturating_sub(first));
        }
        Place::Elsewhere(first.saturating_sub(over).max(gap.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u64 = PART_BYTES;

    fn range(first: u64, end: u64) -> ByteRange {
        ByteRange { first, end }
    }

    #[test]
    fn what_is_missing_lies_between_the_parts() {
        assert_eq!(Gaps::of(10, &[]).missing(), [range(0, 10)]);
        assert_eq!(Gaps::of(10, &[(0, 3), (3, 2), (7, 1)]).missing(), [range(5, 7), range(8, 10)]);
        assert_eq!(Gaps::of(10, &[(0, 10)]), Gaps::none(10));
        assert_eq!(Gaps::of(10, &[(0, 3), (5, 5)]).received(), 3);
        assert_eq!(Gaps::none(10).received(), 10);
    }

    #[test]
    fn a_part_begins_where_something_is_missing() {
        let gaps = Gaps::of(3 * P, &[(0, 100), (P, P)]);
        assert_eq!(gaps.place(100), Place::Free(P - 100));
        assert_eq!(gaps.place(0), Place::There);
        assert_eq!(gaps.place(P), Place::There);
        assert_eq!(gaps.place(2 * P), Place::Free(P));
        assert_eq!(gaps.place(101), Place::Elsewhere(100));
        assert_eq!(gaps.place(2 * P + 5), Place::Elsewhere(2 * P));
        assert_eq!(gaps.place(3 * P), Place::Elsewhere(100));
    }
}
