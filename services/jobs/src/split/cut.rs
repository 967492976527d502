//! Packing items into chunks that are byte ranges, and numbers into steps. Pure but for the reader.
//!
//! Items are what a chunk must not cut: lines, rows, JSON lines. They lie one after the other, so a
//! chunk of items is a byte range. Each function stops one chunk past the limit, so that a caller
//! can refuse without counting to the end.

use std::io::{self, BufRead};

use medusa_api::Size;

use super::plan::{CHUNKS_MAX, ChunkInput};

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
pub(super) fn pack(
    items: &mut dyn Items,
    start: u64,
    size: Size,
) -> Result<Vec<ChunkInput>, ItemError> {
    let (count_max, bytes_max) = match size {
        Size::Count(n) => (n.max(1), u64::MAX),
        Size::Bytes(n) => (u64::MAX, n),
        Size::Seconds(_) => (1, u64::MAX),
    };
    let mut chunks = Vec::new();
    let (mut offset, mut len, mut count) = (start, 0_u64, 0_u64);
    while let Some(item) = items.next_len()? {
        if count > 0 && (count >= count_max || len.saturating_add(item) > bytes_max) {
            chunks.push(ChunkInput::Range { offset, len });
            offset = offset.saturating_add(len);
            (len, count) = (0, 0);
            if chunks.len() > CHUNKS_MAX {
                return Ok(chunks);
            }
        }
        len = len.saturating_add(item);
        count = count.saturating_add(1);
    }
    if count > 0 {
        chunks.push(ChunkInput::Range { offset, len });
    }
    Ok(chunks)
}

/// Byte ranges of `bytes` bytes each; the last may be shorter.
pub(super) fn by_bytes(size: u64, bytes: u64) -> Vec<ChunkInput> {
    steps(0, size, bytes).map(|(offset, len)| ChunkInput::Range { offset, len }).collect()
}

/// `step` numbers each from `from` up to but without `to`; the last may have fewer.
pub(super) fn by_range(from: u64, to: u64, step: u64) -> Vec<ChunkInput> {
    steps(from, to, step).map(|(first, count)| ChunkInput::Seeds { first, count }).collect()
}

/// Start and length of the steps from `from` to `to`, at most one more than a job may have.
pub(super) fn steps(from: u64, to: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
    let step = step.max(1);
    std::iter::successors(Some(from), move |at| at.checked_add(step))
        .take_while(move |at| *at < to)
        .map(move |at| (at, step.min(to.saturating_sub(at))))
        .take(CHUNKS_MAX.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &str, size: Size) -> Vec<(u64, u64)> {
        // A tiny buffer, so that lines lie across its borders.
        let input = BufReader::with_capacity(3, text.as_bytes());
        let chunks = pack(&mut Lines(input), 0, size).unwrap();
        chunks
            .into_iter()
            .map(|chunk| match chunk {
                ChunkInput::Range { offset, len } => (offset, len),
                other => panic!("{other:?}"),
            })
            .collect()
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
    fn bytes_and_numbers_are_cut_in_equal_steps_with_a_shorter_last() {
        let range = |offset, len| ChunkInput::Range { offset, len };
        assert_eq!(by_bytes(10, 4), [range(0, 4), range(4, 4), range(8, 2)]);
        assert_eq!(by_bytes(0, 4), []);
        let seeds = |first, count| ChunkInput::Seeds { first, count };
        assert_eq!(by_range(5, 12, 3), [seeds(5, 3), seeds(8, 3), seeds(11, 1)]);
        assert_eq!(by_range(u64::MAX - 1, u64::MAX, 7), [seeds(u64::MAX - 1, 1)]);
    }

    #[test]
    fn counting_stops_just_past_the_limit() {
        assert_eq!(by_bytes(u64::MAX, 1).len(), CHUNKS_MAX + 1);
        assert_eq!(by_range(0, u64::MAX, 1).len(), CHUNKS_MAX + 1);
        let many = "\n".repeat(CHUNKS_MAX + 50);
        assert_eq!(lines(&many, Size::Count(1)).len(), CHUNKS_MAX + 1);
    }
}
