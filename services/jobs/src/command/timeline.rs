//! A timeline out of the copies of a job: rows, lanes and bars. Pure.
//!
//! A few hundred copies have a bar each. More are binned: the time is cut into equal spans, and
//! each span of a row shows the worst that happened in it, so that no crowd hides a fault.

use std::collections::BTreeMap;

use medusa_api::{AttemptEnd, Timeline, TimelineBar, TimelineRow};
use medusa_types::{AgentId, ChunkIndex, Timestamp};

use super::history::Copy;

/// The width of a timeline.
const SCALE: i64 = 10_000;
/// Rows; past it the last row is all other agents together.
const ROWS_MAX: usize = 24;
/// More copies are binned.
const BARS_MAX: usize = 400;
/// Spans of a binned timeline.
const BINS: i64 = 200;
/// Copies of one agent at the same time that are shown apart.
const LANES_MAX: usize = 4;

/// Draws the copies, which are in the order of their beginning.
pub(super) fn draw(copies: Vec<Copy>, now: Timestamp, cut: bool) -> Timeline {
    let from = copies.first().map_or(now, |copy| copy.from);
    let to = copies.iter().map(|copy| copy.to.unwrap_or(now)).max().unwrap_or(now);
    let span = Span { from, micros: to.micros().saturating_sub(from.micros()).max(1), to };
    let (attempts, binned) = (count(copies.len()), copies.len() > BARS_MAX);
    let mut places: BTreeMap<AgentId, usize> = BTreeMap::new();
    let mut rows: Vec<(Option<AgentId>, Vec<AgentId>, Vec<Copy>)> = Vec::new();
    for copy in copies {
        let known = places.len();
        let place = *places.entry(copy.agent).or_insert(known.min(ROWS_MAX));
        if rows.len() <= place {
            rows.push((Some(copy.agent), Vec::new(), Vec::new()));
        }
        let Some((agent, agents, own)) = rows.get_mut(place) else { continue };
        if !agents.contains(&copy.agent) {
            agents.push(copy.agent);
        }
        // One left over is shown by its own name.
        *agent = agent.filter(|_| agents.len() == 1);
        own.push(copy);
    }
    let row = |(agent, agents, own): (Option<AgentId>, Vec<AgentId>, Vec<Copy>)| {
        let (bars, lanes) = if binned { bins(&own, &span) } else { bars(&own, &span) };
        TimelineRow { agent, agents: count(agents.len()), attempts: count(own.len()), lanes, bars }
    };
    let rows = rows.into_iter().map(row).collect();
    Timeline { from, to, rows, attempts, binned, cut }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The time that the timeline shows.
struct Span {
    from: Timestamp,
    to: Timestamp,
    micros: i64,
}

impl Span {
    /// A time in parts of the whole, from 0 to `parts`.
    fn place(&self, at: Timestamp, parts: i64) -> i64 {
        let after = i128::from(at.micros().saturating_sub(self.from.micros()));
        let scaled = after.saturating_mul(i128::from(parts)).checked_div(i128::from(self.micros));
        i64::try_from(scaled.unwrap_or_default()).unwrap_or_default().clamp(0, parts)
    }

    fn end(&self, copy: &Copy) -> Timestamp {
        copy.to.unwrap_or(self.to)
    }

    fn ms(&self, copy: &Copy) -> u64 {
        u64::try_from(self.end(copy).ms_since(copy.from)).unwrap_or_default()
    }
}

/// A bar each, in the first lane that is free.
fn bars(copies: &[Copy], span: &Span) -> (Vec<TimelineBar>, u32) {
    let mut free: Vec<Timestamp> = Vec::new();
    let mut bars = Vec::with_capacity(copies.len());
    for copy in copies {
        let end = span.end(copy);
        let lane = free.iter().position(|until| *until <= copy.from);
        let lane = lane.unwrap_or(free.len()).min(LANES_MAX.saturating_sub(1));
        match free.get_mut(lane) {
            Some(until) => *until = end.max(*until),
            None => free.push(end),
        }
        let (x, to) = (span.place(copy.from, SCALE), span.place(end, SCALE));
        bars.push(TimelineBar {
            x: part(x.min(SCALE.saturating_sub(1))),
            width: part(to.saturating_sub(x).max(1)),
            lane: count(lane),
            end: copy.end,
            attempts: 1,
            chunk: copy.chunk,
            ms: span.ms(copy),
        });
    }
    (bars, count(free.len()).max(1))
}

fn part(value: i64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// What a span of time shows.
#[derive(Clone, Copy)]
struct Bin {
    end: AttemptEnd,
    attempts: u32,
    chunk: ChunkIndex,
    ms: u64,
}

/// One bar for neighbouring spans that show the same.
fn bins(copies: &[Copy], span: &Span) -> (Vec<TimelineBar>, u32) {
    let mut bins: BTreeMap<i64, Bin> = BTreeMap::new();
    let last = BINS.saturating_sub(1);
    for copy in copies {
        let first = span.place(copy.from, BINS).min(last);
        let until = span.place(span.end(copy), BINS).min(last);
        for at in first..=until {
            // It counts once, where it began.
            let one = u32::from(at == first);
            let new = Bin { end: copy.end, attempts: 0, chunk: copy.chunk, ms: 0 };
            let bin = bins.entry(at).or_insert(new);
            if copy.end > bin.end {
                (bin.end, bin.chunk) = (copy.end, copy.chunk);
            }
            bin.attempts = bin.attempts.saturating_add(one);
            bin.ms = bin.ms.max(span.ms(copy));
        }
    }
    let width = SCALE.checked_div(BINS).unwrap_or(1);
    let mut bars: Vec<TimelineBar> = Vec::new();
    for (at, bin) in bins {
        let x = part(at.saturating_mul(width));
        if let Some(bar) = bars.last_mut()
            && bar.end == bin.end
            && bar.x.saturating_add(bar.width) == x
        {
            bar.width = bar.width.saturating_add(part(width));
            bar.attempts = bar.attempts.saturating_add(bin.attempts);
            bar.ms = bar.ms.max(bin.ms);
            continue;
        }
        let Bin { end, attempts, chunk, ms } = bin;
        bars.push(TimelineBar { x, width: part(width), lane: 0, end, attempts, chunk, ms });
    }
    (bars, 1)
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    fn copy(agent: u128, chunk: u32, from: i64, to: Option<i64>) -> Copy {
        Copy {
            agent: AgentId(Uuid::from_u128(agent)),
            chunk: ChunkIndex(chunk),
            from: Timestamp::from_micros(from * 1_000),
            to: to.map(|to| Timestamp::from_micros(to * 1_000)),
            end: if to.is_some() { AttemptEnd::Accepted } else { AttemptEnd::Computing },
        }
    }

    const NOW: Timestamp = Timestamp::from_micros(100_000);

    #[test]
    fn nothing_and_one_copy_are_drawn_too() {
        let none = draw(Vec::new(), NOW, false);
        assert_eq!((none.rows.len(), none.attempts, none.from, none.to), (0, 0, NOW, NOW));
        let one = draw(vec![copy(1, 7, 20, Some(20))], NOW, false);
        let bar = &one.rows[0].bars[0];
        assert_eq!((bar.x, bar.width, bar.chunk, bar.ms), (0, 1, ChunkIndex(7), 0));
    }

    #[test]
    fn copies_at_the_same_time_lie_in_lanes() {
        let copies = vec![
            copy(1, 0, 0, Some(50)),
            copy(1, 1, 10, Some(60)),
            copy(2, 0, 20, None),
            copy(1, 2, 50, Some(100)),
        ];
        let drawn = draw(copies, NOW, false);
        let (first, second) = (&drawn.rows[0], &drawn.rows[1]);
        let lanes: Vec<_> = first.bars.iter().map(|bar| (bar.x, bar.width, bar.lane)).collect();
        assert_eq!(lanes, [(0, 5_000, 0), (1_000, 5_000, 1), (5_000, 5_000, 0)]);
        assert_eq!((first.lanes, first.attempts, second.lanes), (2, 3, 1));
        let open = &second.bars[0];
        assert_eq!((open.x, open.width, open.ms), (2_000, 8_000, 80), "open to the present");
    }

    #[test]
    fn many_copies_are_binned_and_a_fault_stands_out() {
        let mut copies: Vec<Copy> = (0..10_000)
            .map(|n| copy(u128::from(n % 3 + 1), n, i64::from(n), Some(i64::from(n) + 5)))
            .collect();
        copies[5_000].end = AttemptEnd::Wrong;
        let drawn = draw(copies, NOW, false);
        assert!(drawn.binned);
        assert_eq!((drawn.rows.len(), drawn.attempts), (3, 10_000));
        let bars: Vec<_> = drawn.rows.iter().flat_map(|row| &row.bars).collect();
        assert!(bars.len() < 20, "{} bars", bars.len());
        assert_eq!(bars.iter().map(|bar| bar.attempts).sum::<u32>(), 10_000);
        let wrong: Vec<_> = bars.iter().filter(|bar| bar.end == AttemptEnd::Wrong).collect();
        assert_eq!((wrong.len(), wrong[0].chunk), (1, ChunkIndex(5_000)));
        assert!(bars.iter().all(|bar| bar.x + bar.width <= 10_000));
    }

    #[test]
    fn a_crowd_of_agents_shares_the_last_row() {
        let copies = (0..40).map(|n| copy(u128::from(n), n, i64::from(n), Some(90))).collect();
        let drawn = draw(copies, NOW, false);
        assert_eq!(drawn.rows.len(), ROWS_MAX + 1);
        let rest = drawn.rows.last().unwrap();
        assert_eq!((rest.agent, rest.agents, rest.attempts), (None, 16, 16));
        assert!(drawn.rows[..ROWS_MAX].iter().all(|row| row.agent.is_some() && row.agents == 1));
        assert!(rest.bars.iter().all(|bar| bar.lane < count(LANES_MAX)));
    }
}
