//! What a seat remembers of its rounds: which are under way, what was answered last, and the fuel
//! of its guests. Plain data, without a clock.

use std::collections::VecDeque;

use bytes::Bytes;
use medusa_protocol::{MARK, MARK_METRICS, SessionHead, SessionKind};

/// Metrics that one answer may have with it; whole lines beyond it are dropped.
const METRICS_BYTES_MAX: usize = 64 << 10;
/// What may wait in the guest's pipe while it computes something else. A pipe takes that at once.
const AHEAD_BYTES: usize = 32 << 10;

/// The book.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The shard that the guest has.
    pub(super) shard: Option<u32>,
    /// The last round that was answered.
    pub(super) answered: u64,
    /// Fuel of the guest so far.
    pub(super) fuel: u64,
    /// Fuel of the guests before it.
    earlier: u64,
    asked: VecDeque<Asked>,
    /// The last answer, for a home that did not get it.
    last: Option<SessionHead>,
    payload: Vec<u8>,
    metrics: Vec<u8>,
    /// Metrics that came since.
    next_metrics: Vec<u8>,
}

/// What the guest owes.
#[derive(Debug)]
struct Asked {
    head: SessionHead,
    bytes: usize,
}

/// What is to be done with what the home asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// The guest is asked.
    Ask,
    /// It was answered: the last answer is sent again.
    Repeat,
    /// It is under way, or was answered long ago.
    Known,
}

/// What a frame of the guest was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing to be sent now.
    Nothing,
    /// The answer that is the last one now.
    Answer,
    /// The state that was asked for, with its head.
    State(SessionHead),
    /// Something that nobody asked for.
    Unasked,
}

impl Book {
    /// Another guest begins, with this shard.
    pub(super) fn begin(&mut self, shard: u32) {
        let earlier = self.total();
        *self = Self { shard: Some(shard), earlier, ..Self::default() };
    }

    /// The guest goes on from another state: rounds may come again.
    pub(super) fn go_back(&mut self) {
        (self.answered, self.last) = (0, None);
    }

    /// Fuel of all guests of this seat.
    pub(super) const fn total(&self) -> u64 {
        self.earlier.saturating_add(self.fuel)
    }

    /// The round under way, or 0.
    pub(super) fn under_way(&self) -> u64 {
        self.asked.front().map_or(0, |asked| asked.head.round)
    }

    /// Whether the guest owes something.
    pub(super) fn is_busy(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether the guest can be sent so many bytes before it has said what it owes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let waiting = self.asked.iter().map(|asked| asked.bytes).fold(0, usize::saturating_add);
        self.asked.is_empty() || waiting.saturating_add(bytes) <= AHEAD_BYTES
    }

    /// What is to be done with this.
    pub(super) fn asking(&self, head: &SessionHead) -> Asking {
        let is_same = |asked: &Asked| asked.head.round == head.round;
        let is_state = |asked: &Asked| asked.head.kind == SessionKind::State;
        let wants_state = head.kind == SessionKind::Save;
        if self.asked.iter().any(|asked| is_same(asked) && is_state(asked) == wants_state) {
            return Asking::Known;
        }
        match &self.last {
            _ if wants_state => Asking::Ask,
            Some(last) if last.round == head.round => Asking::Repeat,
            _ if head.round <= self.answered => Asking::Known,
            _ => Asking::Ask,
        }
    }

    /// The guest was asked this, in so many bytes.
    pub(super) fn ask(&mut self, head: &SessionHead, bytes: usize) {
        let kind = match head.kind {
            SessionKind::Save => SessionKind::State,
            _ => SessionKind::Answer,
        };
        let head = SessionHead { kind, offset: 0, ..*head };
        self.asked.push_back(Asked { head, bytes });
    }

    /// Takes a frame of the guest in, when it had used this much fuel. An answer is kept, and is
    /// in `frame` no more.
    pub(super) fn take(&mut self, frame: &mut Vec<u8>, fuel: u64) -> Taken {
        self.fuel = fuel;
        let owes_state =
            self.asked.front().is_some_and(|asked| asked.head.kind == SessionKind::State);
        match frame.strip_prefix(MARK) {
            Some([MARK_METRICS, text @ ..]) => {
                add_lines(&mut self.next_metrics, text);
                return Taken::Nothing;
            }
            // A word that this version does not know.
            Some(_) if !owes_state => return Taken::Nothing,
            _ => {}
        }
        let Some(asked) = self.asked.pop_front() else { return Taken::Unasked };
        let total = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let shard = self.shard.unwrap_or_default();
        let head = SessionHead { shard, total, fuel, ..asked.head };
        if owes_state {
            return Taken::State(head);
        }
        std::mem::swap(frame, &mut self.payload);
        std::mem::swap(&mut self.metrics, &mut self.next_metrics);
        self.next_metrics.clear();
        (self.answered, self.last) = (head.round, Some(head));
        Taken::Answer
    }

    /// The last answer with its metrics, as they are sent.
    pub(super) fn last(&self) -> Option<(SessionHead, &[u8], &[u8])> {
        self.last.map(|head| (head, &*self.metrics, &*self.payload))
    }
}

/// Adds lines, as many as fit whole.
fn add_lines(kept: &mut Vec<u8>, text: &[u8]) {
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let separator = usize::from(!kept.is_empty());
        let len = kept.len().saturating_add(separator).saturating_add(line.len());
        if len > METRICS_BYTES_MAX {
            return;
        }
        if separator > 0 {
            kept.push(b'\n');
        }
        kept.extend_from_slice(line);
    }
}

/// A message as one frame for the guest: a mark, a letter and what follows it.
pub(super) fn marked(letter: u8, payload: &Bytes) -> Vec<u8> {
    let mut frame = Vec::with_capacity(MARK.len().saturating_add(1).saturating_add(payload.len()));
    frame.extend_from_slice(MARK);
    frame.push(letter);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(round: u64) -> SessionHead {
        SessionHead::new(SessionKind::Round, round, 1)
    }

    fn said(book: &mut Book, frame: &[u8], fuel: u64) -> Taken {
        book.take(&mut frame.to_vec(), fuel)
    }

    fn metrics(text: &str) -> Vec<u8> {
        marked(MARK_METRICS, &Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn answers_belong_to_what_was_asked_in_its_order() {
        let mut book = Book::default();
        book.begin(3);
        book.ask(&round(1), 1);
        book.ask(&SessionHead::new(SessionKind::Save, 7, 0), 8);
        book.ask(&round(2), 1);
        assert_eq!((book.under_way(), book.is_busy()), (1, true));
        assert_eq!(said(&mut book, b"one", 10), Taken::Answer);
        let (head, _, payload) = book.last().unwrap();
        assert_eq!((head.kind, head.round, head.shard), (SessionKind::Answer, 1, 3));
        assert_eq!((head.total, head.fuel, payload), (3, 10, &b"one"[..]));
        let Taken::State(head) = said(&mut book, &marked(b's', &Bytes::new()), 20) else {
            panic!("a state was asked for")
        };
        assert_eq!((head.kind, head.round, head.total), (SessionKind::State, 7, 8));
        assert_eq!(book.last().unwrap().2, b"one", "a state is no answer");
        assert_eq!(said(&mut book, b"two", 30), Taken::Answer);
        assert_eq!((book.answered, book.under_way()), (2, 0));
        assert_eq!(said(&mut book, b"three", 40), Taken::Unasked);
        book.begin(4);
        assert_eq!((book.total(), book.fuel, book.answered), (40, 0, 0));
    }

    #[test]
    fn what_comes_again_is_not_computed_again() {
        let mut book = Book::default();
        book.begin(0);
        for n in 1..=3 {
            assert_eq!(book.asking(&round(n)), Asking::Ask);
            book.ask(&round(n), 1);
        }
        assert_eq!(book.asking(&round(2)), Asking::Known, "it is under way");
        assert_eq!(said(&mut book, b"a", 1), Taken::Answer);
        assert_eq!(said(&mut book, b"b", 2), Taken::Answer);
        let expected = [Asking::Known, Asking::Repeat, Asking::Known, Asking::Ask];
        assert_eq!([1, 2, 3, 4].map(|n| book.asking(&round(n))), expected);
        let (head, _, payload) = book.last().unwrap();
        assert_eq!((head.round, payload), (2, &b"b"[..]));
        book.go_back();
        assert_eq!(book.asking(&round(1)), Asking::Ask, "from an earlier state on");
        let save = SessionHead::new(SessionKind::Save, 2, 0);
        assert_eq!(book.asking(&save), Asking::Ask);
        book.ask(&save, 8);
        assert_eq!(book.asking(&save), Asking::Known);
    }

    #[test]
    fn metrics_go_with_the_next_answer_and_are_cut_at_a_line() {
        let mut book = Book::default();
        book.begin(0);
        book.ask(&round(1), 1);
        assert_eq!(said(&mut book, &metrics("loss 0.5\n"), 1), Taken::Nothing);
        assert_eq!(said(&mut book, &metrics("rate 2"), 2), Taken::Nothing);
        assert_eq!(said(&mut book, &marked(b'?', &Bytes::new()), 3), Taken::Nothing);
        assert_eq!(said(&mut book, b"x", 4), Taken::Answer);
        assert_eq!(book.last().unwrap().1, b"loss 0.5\nrate 2");
        book.ask(&round(2), 1);
        assert_eq!(said(&mut book, b"y", 5), Taken::Answer);
        assert_eq!(book.last().unwrap().1, b"");
        book.ask(&round(3), 1);
        let long = "m 1\n".repeat(METRICS_BYTES_MAX);
        assert_eq!(said(&mut book, &metrics(&long), 6), Taken::Nothing);
        assert_eq!(said(&mut book, b"z", 7), Taken::Answer);
        let kept = book.last().unwrap().1;
        assert_eq!((kept.len(), kept.ends_with(b"\nm 1")), (METRICS_BYTES_MAX - 1, true));
    }

    #[test]
    fn little_may_wait_in_the_pipe() {
        let mut book = Book::default();
        assert!(book.has_room(usize::MAX), "nothing is before it");
        book.ask(&round(1), AHEAD_BYTES - 10);
        assert!(book.has_room(10) && !book.has_room(11));
    }
}
