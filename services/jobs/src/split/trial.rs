//! Trying out how many items make a run of some seconds.
//!
//! [`trial`] looks through the input once and offers pilots: chunks of 1, 8, 64 … items from the
//! middle of the input. Whoever runs them, from the smallest on, learns what an item costs.

use medusa_api::Split;
use medusa_platform::BlobStore;
use medusa_types::Sha256Hash;

use super::blob_io::in_turn;
use super::cut::{ItemError, Items};
use super::error::SplitError;
use super::plan::{ChunkInput, Plan};
use super::scan::{SCANS, Scan};

/// A pilot has so many times the items of the one before.
const GROWTH: u64 = 8;
/// No pilot has more input.
const PILOT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What there is to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// Items of the whole input, at least 1.
    pub(crate) items: u64,
    /// Their bytes, without a header.
    pub(crate) bytes: u64,
    /// From the smallest on, at least one.
    pub(crate) pilots: Vec<Pilot>,
}

/// A chunk to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pilot {
    /// Its items.
    pub(crate) items: u64,
    /// A plan of this one chunk.
    pub(crate) plan: Plan,
}

/// The pilots of an input.
///
/// # Errors
/// [`SplitError`] when the input cannot be split so, or has no items.
pub(crate) async fn trial(
    blobs: &BlobStore,
    split: &Split,
    input: Option<Sha256Hash>,
) -> Result<Trial, SplitError> {
    if let Split::Range { from, to, .. } = split {
        return Ok(of_numbers(*from, *to));
    }
    let scan = Scan::open(blobs, input).await?;
    let split = split.clone();
    in_turn(&SCANS, move || {
        let Some((mut items, header, _)) = scan.items(&split)? else {
            return Err(SplitError::InputEmpty);
        };
        let (start, size) = (header.unwrap_or_default(), scan.size);
        let tried = of_items(&mut *items, start, size);
        let mut trial = tried.map_err(|error| scan.refused(&split, error))?;
        for pilot in &mut trial.pilots {
            pilot.plan.header = header;
        }
        Ok(trial)
    })
    .await?
}

/// Pilots of items that lie from `start` to `size`, from the first that begins past the middle; of
/// the first item where none does.
fn of_items(items: &mut dyn Items, start: u64, size: u64) -> Result<Trial, ItemError> {
    let middle = start.saturating_add(size.saturating_sub(start) >> 1);
    let (mut count, mut offset) = (0_u64, start);
    let mut first = 0;
    let mut pilots: Vec<Pilot> = Vec::new();
    // Where the pilots begin, and how many items from there.
    let (mut from, mut taken, mut wanted) = (None, 0_u64, 1_u64);
    while let Some(len) = items.next_len()? {
        if count == 0 {
            first = len;
        }
        if offset >= middle {
            from.get_or_insert(offset);
        }
        count = count.saturating_add(1);
        offset = offset.saturating_add(len);
        let Some(from) = from else { continue };
        taken = taken.saturating_add(1);
        let bytes = offset.saturating_sub(from);
        if taken == wanted && (bytes <= PILOT_BYTES_MAX || pilots.is_empty()) {
            pilots.push(pilot(taken, from, bytes));
            wanted = wanted.saturating_mul(GROWTH);
        }
    }
    if pilots.is_empty() {
        pilots.push(pilot(1, start, first));
    }
    Ok(Trial { items: count, bytes: offset.saturating_sub(start), pilots })
}

fn pilot(items: u64, offset: u64, len: u64) -> Pilot {
    Pilot { items, plan: Plan::of(vec![ChunkInput::Range { offset, len }]) }
}

fn of_numbers(from: u64, to: u64) -> Trial {
    let items = to.saturating_sub(from);
    let first = from.saturating_add(items >> 1);
    let left = to.saturating_sub(first).max(1);
    let counts = std::iter::successors(Some(1_u64), |n| n.checked_mul(GROWTH));
    let pilots = counts.take_while(|n| *n <= left).map(|count| Pilot {
        items: count,
        plan: Plan::of(vec![ChunkInput::Seeds { first, count }]),
    });
    Trial { items, bytes: 0, pilots: pilots.collect() }
}

#[cfg(test)]
mod tests {
    use super::super::cut::Lines;
    use super::*;

    fn ranges(text: &str, start: u64) -> (u64, u64, Vec<(u64, u64, u64)>) {
        let rest = &text.as_bytes()[usize::try_from(start).unwrap()..];
        let trial = of_items(&mut Lines(rest), start, text.len().try_into().unwrap()).unwrap();
        let ranges = trial.pilots.iter().map(|pilot| match pilot.plan.get(0) {
            Some(ChunkInput::Range { offset, len }) => (pilot.items, offset, len),
            other => panic!("{other:?}"),
        });
        (trial.items, trial.bytes, ranges.collect())
    }

    #[test]
    fn pilots_begin_at_the_first_line_past_the_middle_and_grow() {
        let lines = "ab\n".repeat(200);
        assert_eq!(ranges(&lines, 0), (200, 600, vec![(1, 300, 3), (8, 300, 24), (64, 300, 192)]));
        assert_eq!(ranges(&lines, 3), (199, 597, vec![(1, 303, 3), (8, 303, 24), (64, 303, 192)]));
    }

    #[test]
    fn where_no_line_begins_past_the_middle_the_first_is_the_pilot() {
        assert_eq!(ranges("a\na very long line", 0), (2, 18, vec![(1, 0, 2)]));
        assert_eq!(ranges("one", 0), (1, 3, vec![(1, 0, 3)]));
    }

    #[test]
    fn numbers_are_tried_from_the_middle() {
        let trial = of_numbers(100, 120);
        let chunk = |first, count| Pilot {
            items: count,
            plan: Plan::of(vec![ChunkInput::Seeds { first, count }]),
        };
        assert_eq!((trial.items, trial.bytes), (20, 0));
        assert_eq!(trial.pilots, [chunk(110, 1), chunk(110, 8)]);
        assert_eq!(of_numbers(7, 8).pilots, [chunk(7, 1)]);
    }
}
