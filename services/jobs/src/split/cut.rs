//! The splitters that need no understanding of the input: lines, bytes, ranges of numbers. Pure.
//!
//! Each stops one chunk past the limit, so that a caller can refuse without counting to the end.

use std::io::{self, BufRead};

use super::plan::{CHUNKS_MAX, ChunkInput};

/// Byte ranges of `lines` lines each. The last line needs no line feed.
pub(super) fn by_lines(mut input: impl BufRead, lines: u64) -> io::Result<Vec<ChunkInput>> {
    let mut chunks = Vec::new();
    let mut offset = 0_u64;
    while chunks.len() <= CHUNKS_MAX {
        let mut len = 0_u64;
        for _ in 0..lines.max(1) {
            let read = input.skip_until(b'\n')?;
            if read == 0 {
                break;
            }
            len = len.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        }
        if len == 0 {
            break;
        }
        chunks.push(ChunkInput::Range { offset, len });
        offset = offset.saturating_add(len);
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
fn steps(from: u64, to: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
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

    fn lines(text: &str, lines: u64) -> Vec<(u64, u64)> {
        // A tiny buffer, so that lines lie across its borders.
        let input = BufReader::with_capacity(3, text.as_bytes());
        let chunks = by_lines(input, lines).unwrap();
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
        assert_eq!(lines("", 1), []);
        assert_eq!(lines("a\nbb\nccc\n", 1), [(0, 2), (2, 3), (5, 4)]);
        assert_eq!(lines("a\nbb\nccc", 2), [(0, 5), (5, 3)]);
        assert_eq!(lines("\n\n\n", 2), [(0, 2), (2, 1)]);
        assert_eq!(lines("no line feed", 10), [(0, 12)]);
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
        assert_eq!(by_lines(many.as_bytes(), 1).unwrap().len(), CHUNKS_MAX + 1);
    }
}
