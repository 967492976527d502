//! Puts the answers of all shards of one round together, part by part as they come.
//!
//! Guarantees: numbers are added in the order of the shards, whenever they come, so that the result
//! has the same bits every time; a part is given out as soon as every shard has given its own.
//! Nothing is kept that was given out.
#![expect(clippy::float_arithmetic, reason = "what consumers compute is theirs; no money is here")]

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use medusa_protocol::{Number, PART_BYTES, Reduce};

/// What a NaN in an answer means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nan {
    /// A mistake, which ends the round.
    #[default]
    Refuse,
    /// A number like others: whatever it meets becomes one.
    Keep,
}

/// Answers that cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReduceError {
    /// Answers of different lengths.
    #[error("shard {shard} answers {found} bytes, where shard {other} answers {wanted}")]
    Shapes {
        /// The one that differs.
        shard: u32,
        /// Its length.
        found: u32,
        /// Another one.
        other: u32,
        /// That one's length.
        wanted: u32,
    },
    /// Not whole numbers of numbers.
    #[error("shard {shard} answers {found} bytes, which are no whole numbers of {bytes} bytes")]
    Ragged {
        /// The shard.
        shard: u32,
        /// Its length.
        found: u32,
        /// Of one number.
        bytes: usize,
    },
    /// A NaN.
    #[error("shard {shard} answers a NaN, as number {index}; say nan = keep to let it pass")]
    Nan {
        /// The shard.
        shard: u32,
        /// Which of its numbers, from 0.
        index: u64,
    },
    /// The mean of whole numbers.
    #[error("the mean of i64 is none; ask for the sum, or answer f64")]
    MeanOfWhole,
    /// More than 64 MiB.
    #[error("the answers have more than 64 MiB together")]
    Large,
}

/// A part of what goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Of which shard, where they come one by one.
    pub shard: u32,
    /// Bytes of the whole.
    pub total: u32,
    /// Where it begins.
    pub offset: u32,
    /// The part.
    pub part: Bytes,
}

/// One round's answers.
#[derive(Debug)]
pub struct Reducer {
    reduce: Reduce,
    number: Number,
    nan: Nan,
    shards: u32,
    /// Length of each shard's answer, once known.
    totals: Vec<Option<u32>>,
    weights: Vec<f64>,
    /// Sums so far, by number of the part.
    sums: BTreeMap<u32, Sum>,
    /// Of shards whose turn has not come, and of the one whose turn it is.
    queues: Vec<VecDeque<(u32, Bytes)>>,
    turn: u32,
}

#[derive(Debug, Default)]
struct Sum {
    bytes: Vec<u8>,
    /// The shard that is added next.
    next: u32,
    waiting: BTreeMap<u32, Bytes>,
}

impl Reducer {
    /// For so many shards.
    ///
    /// # Errors
    /// [`ReduceError::MeanOfWhole`].
    pub fn new(
        (reduce, number): (Reduce, Number),
        nan: Nan,
        shards: u32,
    ) -> Result<Self, ReduceError> {
        if number == Number::I64 && matches!(reduce, Reduce::Mean | Reduce::WeightedMean) {
            return Err(ReduceError::MeanOfWhole);
        }
        let many = usize::try_from(shards).unwrap_or(usize::MAX);
        let by_itself = matches!(reduce, Reduce::None | Reduce::Concat);
        Ok(Self {
            reduce,
            number,
            nan,
            shards,
            totals: vec![None; many],
            weights: if reduce == Reduce::WeightedMean { vec![0.0; many] } else { Vec::new() },
            sums: BTreeMap::new(),
            queues: if by_itself { vec![VecDeque::new(); many] } else { Vec::new() },
            turn: 0,
        })
    }

    /// Takes a part of a shard's answer; parts of one shard come in order. Adds what is ready.
    ///
    /// # Errors
    /// [`ReduceError`], after which the round is over.
    pub fn add(
        &mut self,
        (shard, total): (u32, u32),
        offset: u32,
        part: Bytes,
        ready: &mut Vec<Ready>,
    ) -> Result<(), ReduceError> {
        if matches!(self.reduce, Reduce::None | Reduce::Concat) {
            return self.pass((shard, total), offset, part, ready);
        }
        self.check((shard, total), offset, &part)?;
        if self.reduce == Reduce::WeightedMean && offset == 0 {
            let weight = first(&part, self.number);
            if let (Some(place), Some(weight)) = (self.weights.get_mut(index(shard)), weight) {
                *place = weight;
            }
        }
        let number = offset.checked_div(u32::try_from(PART_BYTES).unwrap_or(1)).unwrap_or_default();
        let sum = self.sums.entry(number).or_default();
        sum.waiting.insert(shard, part);
        while let Some(part) = sum.waiting.remove(&sum.next) {
            let scale = self.weights.get(index(sum.next)).copied();
            let scale = scale.map(|weight| (weight, offset == 0));
            if sum.next == 0 {
                sum.bytes = part.into();
                if let Some(scale) = scale {
                    scaled(&mut sum.bytes, self.number, scale);
                }
            } else {
                fold(&mut sum.bytes, &part, (self.reduce, self.number), scale);
            }
            sum.next = sum.next.saturating_add(1);
        }
        if sum.next == self.shards
            && let Some(mut sum) = self.sums.remove(&number)
        {
            match self.reduce {
                Reduce::Mean => divided(&mut sum.bytes, self.number, f64::from(self.shards), 0),
                Reduce::WeightedMean => {
                    let weights = self.weights.iter().sum();
                    // The sum of the weights stays what it is.
                    divided(&mut sum.bytes, self.number, weights, usize::from(offset == 0));
                }
                _ => {}
            }
            ready.push(Ready { shard: 0, total, offset, part: sum.bytes.into() });
        }
        Ok(())
    }

    fn check(
        &mut self,
        (shard, total): (u32, u32),
        offset: u32,
        part: &Bytes,
    ) -> Result<(), ReduceError> {
        let bytes = self.number.bytes();
        if !usize::try_from(total).unwrap_or(1).is_multiple_of(bytes) {
            return Err(ReduceError::Ragged { shard, found: total, bytes });
        }
        if let Some(place) = self.totals.get_mut(index(shard)) {
            *place = Some(total);
        }
        let other = (0..).zip(&self.totals).find_map(|(other, known)| {
            known.filter(|known| *known != total).map(|known| (other, known))
        });
        if let Some((other, wanted)) = other {
            return Err(ReduceError::Shapes { shard, found: total, other, wanted });
        }
        let nan = if self.nan == Nan::Refuse { nan(part, self.number) } else { None };
        if let Some(at) = nan {
            let before = usize::try_from(offset).unwrap_or_default().checked_div(bytes);
            let index = before.unwrap_or_default().saturating_add(at);
            return Err(ReduceError::Nan {
                shard,
                index: u64::try_from(index).unwrap_or(u64::MAX),
            });
        }
        Ok(())
    }

    /// One after the other, as they are.
    fn pass(
        &mut self,
        (shard, total): (u32, u32),
        offset: u32,
        part: Bytes,
        ready: &mut Vec<Ready>,
    ) -> Result<(), ReduceError> {
        if let Some(place) = self.totals.get_mut(index(shard)) {
            *place = Some(total);
        }
        if let Some(queue) = self.queues.get_mut(index(shard)) {
            queue.push_back((offset, part));
        }
        let concat = self.reduce == Reduce::Concat;
        let known: Option<u64> = self.totals.iter().map(|total| total.map(u64::from)).sum();
        // How long the whole is must be known before the first part of it goes out.
        let whole = match (concat, known) {
            (true, None) => return Ok(()),
            (true, Some(whole)) => u32::try_from(whole)
                .ok()
                .filter(|whole| *whole <= medusa_protocol::PAYLOAD_BYTES_MAX)
                .ok_or(ReduceError::Large)?,
            (false, _) => 0,
        };
        while let Some(total) = self.totals.get(index(self.turn)).copied().flatten() {
            let before = self.totals.iter().take(index(self.turn)).flatten();
            let before =
                if concat { before.fold(0, |sum: u32, t| sum.saturating_add(*t)) } else { 0 };
            let Some(queue) = self.queues.get_mut(index(self.turn)) else { break };
            let mut is_over = false;
            while let Some((offset, part)) = queue.pop_front() {
                let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
                is_over = offset.saturating_add(len) >= total;
                // Nothing at all is a message of its own only where each shard's is.
                if !(concat && part.is_empty() && whole > 0) {
                    ready.push(Ready {
                        shard: if concat { 0 } else { self.turn },
                        total: if concat { whole } else { total },
                        offset: offset.saturating_add(before),
                        part,
                    });
                }
            }
            if !is_over {
                break;
            }
            self.turn = self.turn.saturating_add(1);
        }
        // Of nothing but empty answers one empty message is enough.
        if concat && whole == 0 {
            ready.truncate(usize::from(self.turn == self.shards));
        }
        Ok(())
    }
}

fn index(shard: u32) -> usize {
    usize::try_from(shard).unwrap_or(usize::MAX)
}

macro_rules! each {
    ($ty:ty, $bytes:expr, |$x:ident| $new:expr) => {
        for place in $bytes.as_chunks_mut().0 {
            let $x = <$ty>::from_le_bytes(*place);
            *place = <$ty>::to_le_bytes($new);
        }
    };
    ($ty:ty, $into:expr, $from:expr, |$x:ident, $y:ident| $new:expr) => {
        for (place, other) in $into.as_chunks_mut().0.iter_mut().zip($from.as_chunks().0) {
            let ($x, $y) = (<$ty>::from_le_bytes(*place), <$ty>::from_le_bytes(*other));
            *place = <$ty>::to_le_bytes($new);
        }
    };
}

/// The first number, as a weight.
fn first(part: &[u8], number: Number) -> Option<f64> {
    match number {
        Number::F64 => part.first_chunk().map(|b| f64::from_le_bytes(*b)),
        Number::F32 => part.first_chunk().map(|b| f64::from(f32::from_le_bytes(*b))),
        Number::I64 => None,
    }
}

/// The place of the first NaN.
fn nan(part: &[u8], number: Number) -> Option<usize> {
    // A whole pass without a way out is several at a time; where there is one, it is looked for.
    let f64s = part.as_chunks().0;
    let f32s = part.as_chunks().0;
    match number {
        Number::F64 => f64s
            .iter()
            .fold(false, |any, b| any | f64::from_le_bytes(*b).is_nan())
            .then(|| f64s.iter().position(|b| f64::from_le_bytes(*b).is_nan()))?,
        Number::F32 => f32s
            .iter()
            .fold(false, |any, b| any | f32::from_le_bytes(*b).is_nan())
            .then(|| f32s.iter().position(|b| f32::from_le_bytes(*b).is_nan()))?,
        Number::I64 => None,
    }
}

/// Multiplies by a weight, but the weight itself where it is the first number.
fn scaled(bytes: &mut [u8], number: Number, (weight, leads): (f64, bool)) {
    let from = if leads { number.bytes().min(bytes.len()) } else { 0 };
    let Some(rest) = bytes.get_mut(from..) else { return };
    match number {
        Number::F64 => each!(f64, rest, |x| x * weight),
        Number::F32 => each!(f32, rest, |x| narrow(f64::from(x) * weight)),
        Number::I64 => {}
    }
}

/// Puts another shard's part to the sum.
fn fold(
    into: &mut [u8],
    from: &[u8],
    (reduce, number): (Reduce, Number),
    scale: Option<(f64, bool)>,
) {
    if let Some(scale) = scale {
        let mut from = from.to_vec();
        scaled(&mut from, number, scale);
        return fold(into, &from, (Reduce::Sum, number), None);
    }
    match (number, reduce) {
        (Number::F64, Reduce::Min) => each!(f64, into, from, |x, y| least(x, y)),
        (Number::F64, Reduce::Max) => each!(f64, into, from, |x, y| -least(-x, -y)),
        (Number::F64, _) => each!(f64, into, from, |x, y| x + y),
        (Number::F32, Reduce::Min) => {
            each!(f32, into, from, |x, y| narrow(least(x.into(), y.into())))
        }
        (Number::F32, Reduce::Max) => {
            each!(f32, into, from, |x, y| narrow(-least(-f64::from(x), -f64::from(y))));
        }
        (Number::F32, _) => each!(f32, into, from, |x, y| x + y),
        (Number::I64, Reduce::Min) => each!(i64, into, from, |x, y| x.min(y)),
        (Number::I64, Reduce::Max) => each!(i64, into, from, |x, y| x.max(y)),
        (Number::I64, _) => each!(i64, into, from, |x, y| x.wrapping_add(y)),
    }
}

/// Divides all numbers but the first so many.
fn divided(bytes: &mut [u8], number: Number, by: f64, but: usize) {
    let from = but.saturating_mul(number.bytes()).min(bytes.len());
    let Some(rest) = bytes.get_mut(from..) else { return };
    match number {
        Number::F64 => each!(f64, rest, |x| x / by),
        Number::F32 => each!(f32, rest, |x| narrow(f64::from(x) / by)),
        Number::I64 => {}
    }
}

/// The smaller one; a NaN where there is one.
fn least(x: f64, y: f64) -> f64 {
    if x.is_nan() || x < y { x } else { y }
}

#[expect(clippy::cast_possible_truncation, clippy::as_conversions, reason = "f32 is asked for")]
const fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
#[path = "reduce_tests.rs"]
mod tests;
