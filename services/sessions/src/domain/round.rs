//! One round: what was asked, and how far each shard has answered.

use bytes::Bytes;
use medusa_protocol::{Number, Reduce, SessionHead, SessionKind};

use super::code;
use super::reduce::{Ready, ReduceError, Reducer};

/// An answer that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It cannot be put to the others.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// The agent that took over answers another length than the one before it.
    #[error("shard {0} answers {1} bytes, where it began with {2}: the program is not repeatable")]
    Changed(u32, u32, u32),
}

impl AnswerError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Reduce(ReduceError::Shapes { .. } | ReduceError::Ragged { .. }) => code::SHAPES,
            Self::Reduce(ReduceError::Nan { .. }) => code::NAN,
            Self::Reduce(_) => code::REDUCE,
            Self::Changed(..) => code::NOT_REPEATABLE,
        }
    }
}

/// A round under way.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u64,
    /// The one shard that is asked, where it is not all.
    pub(super) alone: Option<u32>,
    /// Fuel of those who have answered.
    pub(super) fuel: u64,
    /// As it came from the client.
    pub(super) messages: Vec<Bytes>,
    kind: SessionKind,
    how: (Reduce, Number),
    total: u32,
    bytes: u32,
    reducer: Reducer,
    /// Bytes of each shard's answer that have come, and the length that it said.
    got: Vec<(u32, Option<u32>)>,
    /// It cannot be answered any more.
    spoiled: bool,
}

impl Round {
    pub(super) fn new(
        head: &SessionHead,
        alone: Option<u32>,
        reducer: Reducer,
        shards: u32,
    ) -> Self {
        Self {
            number: head.round,
            alone,
            fuel: 0,
            messages: Vec::new(),
            kind: head.kind,
            how: (head.reduce, head.number),
            total: head.total,
            bytes: 0,
            reducer,
            got: vec![(0, None); usize::try_from(shards).unwrap_or(usize::MAX)],
            spoiled: false,
        }
    }

    /// Whether a part is the next of it.
    pub(super) fn follows(&self, head: &SessionHead) -> bool {
        (head.round, head.kind, head.total, head.offset)
            == (self.number, self.kind, self.total, self.bytes)
            && !self.is_whole()
    }

    /// Keeps a part of what was asked.
    pub(super) fn add(&mut self, message: Bytes, len: usize) {
        self.bytes = self.bytes.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.messages.push(message);
    }

    /// Whether all of it has come from the client.
    pub(super) const fn is_whole(&self) -> bool {
        self.bytes >= self.total
    }

    fn has_answered(&self, shard: u32) -> bool {
        let got = usize::try_from(shard).ok().and_then(|shard| self.got.get(shard));
        got.is_none_or(|(got, total)| total.is_some_and(|total| *got >= total))
    }

    /// Whether this shard is asked.
    pub(super) fn asks(&self, shard: u32) -> bool {
        self.alone.is_none_or(|alone| alone == shard)
    }

    /// Whether this shard has to answer it still.
    pub(super) fn wants(&self, shard: u32) -> bool {
        self.asks(shard) && !self.has_answered(shard)
    }

    /// It is spoiled, and answers are only waited for so that nothing comes out of turn. Whether it
    /// was not before.
    pub(super) const fn spoil(&mut self) -> bool {
        !std::mem::replace(&mut self.spoiled, true)
    }

    /// Bytes of what is asked.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.total).unwrap_or(usize::MAX)
    }

    /// Whether everybody has answered.
    pub(super) fn is_over(&self) -> bool {
        let shards = u32::try_from(self.got.len()).unwrap_or(u32::MAX);
        self.is_whole() && !(0..shards).any(|shard| self.wants(shard))
    }

    /// What stands before the answer.
    pub(super) const fn answer_head(&self) -> SessionHead {
        let (reduce, number) = self.how;
        let head = SessionHead::new(SessionKind::Answer, self.number, 0);
        SessionHead { reduce, number, ..head }
    }

    /// Takes a part of an answer. What another agent of the shard has given already is passed over:
    /// it is the same.
    pub(super) fn answer(
        &mut self,
        shard: u32,
        head: &SessionHead,
        part: Bytes,
        fuel: u64,
        ready: &mut Vec<Ready>,
    ) -> Result<(), AnswerError> {
        if !self.wants(shard) {
            return Ok(());
        }
        let place = usize::try_from(shard).ok().and_then(|shard| self.got.get_mut(shard));
        let Some((got, total)) = place else { return Ok(()) };
        let begun = *total.get_or_insert(head.total);
        if head.offset != *got && begun == head.total {
            return Ok(());
        }
        *got = got.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
        if begun != head.total {
            // Nothing of it can be used any more; it counts as answered.
            *got = begun;
            return Err(AnswerError::Changed(shard, head.total, begun));
        }
        self.fuel = self.fuel.saturating_add(fuel);
        if self.spoiled {
            return Ok(());
        }
        if self.alone.is_some() {
            ready.push(Ready { shard, total: head.total, offset: head.offset, part });
            return Ok(());
        }
        Ok(self.reducer.add((shard, head.total), head.offset, part, ready)?)
    }
}
