//! Packing items into chunks that are byte ranges. Pure but for the reader.
//!
//! Items are what a chunk must not cut: lines, rows, JSON lines. They lie one after the other, so a
//! chunk of items is a byte range.

use std::io::{self, BufRead};

use medusa_api::Size;

use super::chunks::Ranges;
use super::plan::CHUNKS_MAX;

/// Items of an input, one after the other.
pub(super) trait Items {
    /// Bytes of the next item, at least 1; nothing at the end.
    fn next_len(&mut self) -> Result<Option<u64>, ItemError>;
}

/// Why items end before their end.
#[derive(Debug)]
pub(super) enum ItemError {
    /// The input cannot be read.
    Read(io::Error),
    /// It is not what it should be: what and where.
    Refused(String),
    /// A chunk has more bytes than can be counted, which is more than any may have.
    TooLarge {
        /// Its index.
        chunk: usize,
        /// Its length.
        bytes: u64,
    },
}

impl From<io::Error> for ItemError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Lines of text. The last needs no line feed.
pub(super) struct Lines<R>(pub(super) R);

impl<R: BufRead> Items for Lines<R> {
    fn next_len(&mut self) -> Result<Option<u64>, ItemError> {
        let read = self.0.skip_until(b'\n')?;
        Ok((read > 0).then(|| u64::try_from(read).unwrap_or(u64::MAX)))
    }
}

/// Byte ranges of items, the first of which begins at `start`. Seconds must have become a count.
/// Stops one chunk past the limit, so that the caller can refuse without counting to the end.
pub(super) fn pack(items: &mut dyn Items, start: u64, size: Size) -> Result<Ranges, ItemError> {
    let (count_max, bytes_max) = match size {
        Size::Count(n) => (n.max(1), u64::MAX),
        Size::Bytes(n) => (u64::MAX, n),
        Size::Seconds(_) => (1, u64::MAX),
    };
    let chunks_max = usize::try_from(CHUNKS_MAX).unwrap_or(usize::MAX);
    let mut lens = Vec::new();
    let (mut len, mut count) = (0_u64, 0_u64);
    while let Some(item) = items.next_len()? {
        if count > 0 && (count >= count_max || len.saturating_add(item) > bytes_max) {
            lens.push(fits(lens.len(), len)?);
            (len, count) = (0, 0);
            if lens.len() > chunks_max {
                return Ok(Ranges::new(start, lens));
            }
        }
        len = len.saturating_add(item);
        count = count.saturating_add(1);
    }
    if count > 0 {
        lens.push(fits(lens.len(), len)?);
    }
    Ok(Ranges::new(start, lens))
}

fn fits(chunk: usize, bytes: u64) -> Result<u32, ItemError> {
    u32::try_from(bytes).map_err(|_| ItemError::TooLarge { chunk, bytes })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &str, size: Size) -> Vec<(u64, u64)> {
        // A tiny buffer, so that lines lie across its borders.
        let input = BufReader::with_capacity(3, text.as_bytes());
        let ranges = pack(&mut Lines(input), 0, size).unwrap();
        (0..ranges.count()).filter_map(|index| ranges.get(index)).collect()
    }

    #[test]
    fn lines_are_cut_after_their_line_feeds() {
        let counted = |text, n| lines(text, Size::Count(n));
        assert_eq!(counted("", 1), []);
        assert_eq!(counted("a\nbb\nccc\n", 1), [(0, 2), (2, 3), (5, 4)]);
        assert_eq!(counted("a\nbb\nccc", 2), [(0, 5), (5, 3)]);
        assert_eq!(counted("\n\n\n", 2), [(0, 2), (2, 1)]);
        assert_eq!(counted("no line feed", 10), [(0, 12)]);
    }

    #[test]
    fn as_many_lines_as_fit_make_a_chunk_and_at_least_one() {
        let sized = |text, n| lines(text, Size::Bytes(n));
        assert_eq!(sized("a\nb\nc\n", 4), [(0, 4), (4, 2)]);
        assert_eq!(sized("a\nb\nc\n", 5), [(0, 4), (4, 2)]);
        assert_eq!(sized("a\nlonger\nb\n", 3), [(0, 2), (2, 7), (9, 2)]);
        assert_eq!(sized("a\nb", 100), [(0, 3)]);
    }

    #[test]
    fn counting_stops_just_past_the_limit() {
        let many = "\n".repeat(usize::try_from(CHUNKS_MAX).unwrap() + 50);
        let ranges = pack(&mut Lines(many.as_bytes()), 0, Size::Count(1)).unwrap();
        assert_eq!(ranges.count(), u64::from(CHUNKS_MAX) + 1);
    }

    /// Items of so many bytes that never were.
    struct Huge(Vec<u64>);

    impl Items for Huge {
        fn next_len(&mut self) -> Result<Option<u64>, ItemError> {
            Ok(self.0.pop())
        }
    }

    #[test]
    fn a_chunk_beyond_counting_is_named() {
        let packed = pack(&mut Huge(vec![9, 1 << 32, 3]), 0, Size::Count(1));
        match packed {
            Err(ItemError::TooLarge { chunk: 1, bytes }) => assert_eq!(bytes, 1 << 32),
            other => panic!("{other:?}"),
        }
    }
}
