//! A job's timeline as a picture: one row for each agent, one bar for each attempt.

use medusa_api::{AttemptEnd, Timeline, TimelineBar, TimelineRow};

/// Height of a lane with its gap, and of the gap between two rows.
const LANE: u32 = 16;
const GAP: u32 = 10;
/// With more bars, going through all of them by keyboard is a burden: the table says the same.
const STOPS_MAX: usize = 40;

/// A timeline with the place of each row.
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) of: Timeline,
    /// Upper edge and height of each row.
    rows: Vec<(u32, u32)>,
    pub(crate) height: u32,
    /// Whether each bar is a stop of the keyboard.
    pub(crate) stops: bool,
}

impl Drawing {
    pub(crate) fn of(of: Timeline) -> Self {
        let (mut rows, mut height) = (Vec::with_capacity(of.rows.len()), 0_u32);
        for row in &of.rows {
            let tall = row.lanes.saturating_mul(LANE);
            rows.push((height, tall));
            height = height.saturating_add(tall).saturating_add(GAP);
        }
        let stops = of.rows.iter().map(|row| row.bars.len()).sum::<usize>() <= STOPS_MAX;
        Self { of, rows, height: height.max(1), stops }
    }

    /// Rows with their upper edge and height.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, u32, &TimelineRow)> {
        self.rows.iter().zip(&self.of.rows).map(|((top, tall), row)| (*top, *tall, row))
    }

    /// How many attempts of a row ended so, in the order of their importance.
    pub(crate) fn ends(row: &TimelineRow) -> String {
        let mut ends: Vec<(AttemptEnd, u32)> = Vec::new();
        for bar in &row.bars {
            match ends.iter_mut().find(|(end, _)| *end == bar.end) {
                Some((_, n)) => *n = n.saturating_add(bar.attempts),
                None => ends.push((bar.end, bar.attempts)),
            }
        }
        ends.sort();
        let words = ends.iter().rev().map(|(end, n)| format!("{n} {}", end.in_words()));
        words.collect::<Vec<_>>().join(", ")
    }

    /// The longest attempt of a row, in milliseconds.
    pub(crate) fn longest(row: &TimelineRow) -> u64 {
        row.bars.iter().map(|bar| bar.ms).max().unwrap_or_default()
    }

    /// The upper edge of a bar.
    pub(crate) fn y(top: &u32, bar: &TimelineBar) -> u32 {
        top.saturating_add(bar.lane.saturating_mul(LANE))
    }

    /// How many agents worked on the job.
    pub(crate) fn agents(&self) -> u32 {
        self.of.rows.iter().map(|row| row.agents).fold(0, u32::saturating_add)
    }

    /// From the first attempt to the last, in milliseconds.
    pub(crate) fn span(&self) -> u64 {
        u64::try_from(self.of.to.ms_since(self.of.from)).unwrap_or_default()
    }

    /// What the colours say, worst last.
    pub(crate) fn legend() -> [AttemptEnd; 7] {
        use AttemptEnd::{Accepted, Computing, Failed, Lost, NotNeeded, Reported, Wrong};
        [Accepted, Reported, Computing, NotNeeded, Lost, Failed, Wrong]
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::{ChunkIndex, Timestamp};

    use super::*;

    fn bar(end: AttemptEnd, lane: u32, attempts: u32) -> TimelineBar {
        TimelineBar { x: 0, width: 1, lane, end, attempts, chunk: ChunkIndex(0), ms: 7 }
    }

    #[test]
    fn rows_stand_under_each_other_whatever_their_lanes() {
        let row = |lanes, bars| TimelineRow { agent: None, agents: 1, attempts: 2, lanes, bars };
        let bars = vec![bar(AttemptEnd::Accepted, 0, 3), bar(AttemptEnd::Wrong, 1, 1)];
        let at = Timestamp::from_micros;
        let rows = vec![row(2, bars.clone()), row(1, bars)];
        let of =
            Timeline { from: at(0), to: at(9_000), rows, attempts: 4, binned: false, cut: false };
        let drawn = Drawing::of(of);
        assert_eq!(
            drawn.rows().map(|(top, tall, _)| (top, tall)).collect::<Vec<_>>(),
            [(0, 32), (42, 16)]
        );
        assert_eq!((drawn.height, drawn.span(), drawn.stops, drawn.agents()), (68, 9, true, 2));
        let row = &drawn.of.rows[0];
        assert_eq!(Drawing::y(&42, &row.bars[1]), 58);
        assert_eq!(Drawing::ends(row), "1 another result than the accepted one, 3 accepted");
        assert_eq!(Drawing::longest(row), 7);
    }
}
