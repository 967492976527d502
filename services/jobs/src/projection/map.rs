//! The map of a job's chunks as pages draw it: a digit a cell. Pure.
//!
//! A page cannot show a million cells, and need not hear of them: past 10,000 chunks a cell stands
//! for several neighbours, and shows of them what needs attention most. A chunk costs one byte, and
//! a few more while agents work on it.

use std::collections::{BTreeMap, BTreeSet};

use medusa_api::{ChunkState, Counts};

/// Cells of a map.
const CELLS_MAX: u32 = 10_000;
/// All states, as they are counted.
const STATES: [ChunkState; 5] = [
    ChunkState::Waiting,
    ChunkState::Leased,
    ChunkState::Verified,
    ChunkState::Unverified,
    ChunkState::Failed,
];
/// Of chunks that share a cell, the first of these is shown.
const URGENT: [ChunkState; 5] = [
    ChunkState::Failed,
    ChunkState::Leased,
    ChunkState::Waiting,
    ChunkState::Unverified,
    ChunkState::Verified,
];

/// How many chunks a cell stands for, in a job of so many.
pub(super) fn per_cell(chunks: u32) -> u32 {
    chunks.div_ceil(CELLS_MAX).max(1)
}

/// The chunks of a cell by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally([u32; 5]);

impl Tally {
    /// So many chunks that wait.
    pub(super) const fn waiting(chunks: u32) -> Self {
        Self([chunks, 0, 0, 0, 0])
    }

    /// Moves chunks from one state to another.
    pub(super) fn shift(&mut self, from: ChunkState, to: ChunkState, chunks: u32) {
        for (state, count) in STATES.iter().zip(&mut self.0) {
            if *state == from {
                *count = count.saturating_sub(chunks);
            }
            if *state == to {
                *count = count.saturating_add(chunks);
            }
        }
    }

    fn has(self, state: ChunkState) -> bool {
        STATES.iter().zip(self.0).any(|(of, count)| *of == state && count > 0)
    }

    fn shown(self) -> ChunkState {
        URGENT.into_iter().find(|state| self.has(*state)).unwrap_or(ChunkState::Waiting)
    }
}

/// The tallies of a job of which nothing has begun.
pub(super) fn untouched(chunks: u32) -> Vec<Tally> {
    let each = per_cell(chunks);
    let cell =
        |cell: u32| Tally::waiting(chunks.saturating_sub(cell.saturating_mul(each)).min(each));
    (0..chunks.div_ceil(each)).map(cell).collect()
}

/// One digit a cell.
pub(super) fn digits(cells: &[Tally]) -> String {
    cells.iter().map(|tally| char::from(tally.shown().digit())).collect()
}

/// The chunks of a job that has not ended.
pub(super) struct Map {
    /// Once decided, a chunk stays so.
    states: Vec<ChunkState>,
    /// How many agents work on a chunk, of those that any works on.
    live: BTreeMap<u32, u32>,
    per_cell: u32,
    cells: Vec<Tally>,
    /// Cells that changed since the last post.
    changed: BTreeSet<u32>,
}

impl Map {
    pub(super) fn new(chunks: u32) -> Self {
        let count = usize::try_from(chunks).unwrap_or_default();
        Self {
            states: vec![ChunkState::Waiting; count],
            live: BTreeMap::new(),
            per_cell: per_cell(chunks),
            cells: untouched(chunks),
            changed: BTreeSet::new(),
        }
    }

    /// An agent begins with a chunk.
    pub(super) fn begin(&mut self, chunk: u32, counts: &mut Counts) {
        let live = self.live.entry(chunk).or_default();
        *live = live.saturating_add(1);
        self.at_work(chunk, counts);
    }

    /// An agent has ended with a chunk.
    pub(super) fn end(&mut self, chunk: u32, counts: &mut Counts) {
        match self.live.get_mut(&chunk) {
            Some(live) if *live > 1 => *live = live.saturating_sub(1),
            _ => drop(self.live.remove(&chunk)),
        }
        self.at_work(chunk, counts);
    }

    /// A chunk is waiting or worked on, unless it is decided.
    fn at_work(&mut self, chunk: u32, counts: &mut Counts) {
        let to =
            if self.live.contains_key(&chunk) { ChunkState::Leased } else { ChunkState::Waiting };
        if let Some(ChunkState::Waiting | ChunkState::Leased) = self.state(chunk) {
            self.set(chunk, to, counts);
        }
    }

    fn state(&self, chunk: u32) -> Option<ChunkState> {
        self.states.get(usize::try_from(chunk).ok()?).copied()
    }

    /// Chunks that failed wait again.
    pub(super) fn retry(&mut self, counts: &mut Counts) {
        let failed = (0_u32..).zip(&self.states).filter(|(_, s)| **s == ChunkState::Failed);
        let failed: Vec<u32> = failed.map(|(chunk, _)| chunk).collect();
        failed.into_iter().for_each(|chunk| self.set(chunk, ChunkState::Waiting, counts));
    }

    /// A chunk is decided, or where it was.
    pub(super) fn set(&mut self, chunk: u32, to: ChunkState, counts: &mut Counts) {
        let place = usize::try_from(chunk).unwrap_or(usize::MAX);
        let Some(state) = self.states.get_mut(place).filter(|state| **state != to) else { return };
        let from = std::mem::replace(state, to);
        let (less, more) =
            (slot(counts, from).saturating_sub(1), slot(counts, to).saturating_add(1));
        (*slot(counts, from), *slot(counts, to)) = (less, more);
        let cell = chunk.checked_div(self.per_cell).unwrap_or(chunk);
        let place = usize::try_from(cell).unwrap_or(usize::MAX);
        let Some(tally) = self.cells.get_mut(place) else { return };
        let before = tally.shown();
        tally.shift(from, to, 1);
        if tally.shown() != before {
            self.changed.insert(cell);
        }
    }

    /// One digit a cell.
    pub(super) fn digits(&self) -> String {
        digits(&self.cells)
    }

    /// `cell:digit` of what changed since the last call.
    pub(super) fn changes(&mut self) -> String {
        let digit = |cell: &u32| {
            let tally = self.cells.get(usize::try_from(*cell).ok()?)?;
            Some(format!("{cell}:{}", char::from(tally.shown().digit())))
        };
        let pairs: Vec<String> = self.changed.iter().filter_map(digit).collect();
        self.changed.clear();
        pairs.join(",")
    }
}

const fn slot(counts: &mut Counts, state: ChunkState) -> &mut u32 {
    match state {
        ChunkState::Waiting => &mut counts.waiting,
        ChunkState::Leased => &mut counts.leased,
        ChunkState::Verified => &mut counts.verified,
        ChunkState::Unverified => &mut counts.unverified,
        ChunkState::Failed => &mut counts.failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(total: u32) -> Counts {
        Counts { total, waiting: total, ..Counts::default() }
    }

    #[test]
    fn a_large_job_has_few_cells_and_they_cover_it() {
        for (chunks, each, cells) in [
            (0, 1, 0),
            (1, 1, 1),
            (10_000, 1, 10_000),
            (10_001, 2, 5_001),
            (1_000_000, 100, 10_000),
            (999_999, 100, 10_000),
        ] {
            let all = untouched(chunks);
            assert_eq!((per_cell(chunks), all.len()), (each, cells), "{chunks} chunks");
            assert_eq!(all.iter().map(|tally| tally.0[0]).sum::<u32>(), chunks);
            // A page finds out by itself how many chunks a cell has.
            let cells = u32::try_from(cells).unwrap();
            assert!(cells == 0 || chunks.div_ceil(cells) == each, "{chunks} chunks");
        }
    }

    #[test]
    fn a_cell_shows_what_needs_attention() {
        let mut counts = counts(30_000);
        let mut map = Map::new(30_000);
        assert_eq!(map.digits(), "0".repeat(10_000));
        map.begin(4, &mut counts);
        map.begin(4, &mut counts);
        assert_eq!(map.changes(), "1:1", "chunks 3 to 5 are the second cell");
        map.set(3, ChunkState::Verified, &mut counts);
        map.end(4, &mut counts);
        assert_eq!(map.changes(), "", "4 is still worked on");
        map.set(4, ChunkState::Verified, &mut counts);
        map.end(4, &mut counts);
        assert_eq!(map.changes(), "1:0", "5 waits");
        map.set(5, ChunkState::Unverified, &mut counts);
        assert_eq!(map.changes(), "1:3");
        map.set(29_999, ChunkState::Failed, &mut counts);
        map.set(30_000, ChunkState::Failed, &mut counts);
        assert_eq!(map.changes(), "9999:4");
        let Counts { total, waiting, leased, verified, unverified, failed } = counts;
        assert_eq!(
            (total, waiting, leased, verified, unverified, failed),
            (30_000, 29_996, 0, 2, 1, 1)
        );
    }
}
