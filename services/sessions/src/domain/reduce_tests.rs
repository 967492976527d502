//! Whatever the order in which parts come, the result is that of adding shard after shard.

use medusa_protocol::{Parts, SessionHead, SessionKind};

use super::super::dice::Dice;
use super::*;

/// Numbers of 8 bytes in a part.
const EACH: usize = PART_BYTES >> 3;

/// Bytes of each shard's answer: half the values are whole, the rest anything that is a number.
fn answers(dice: &mut Dice, number: Number, shards: usize, count: usize) -> Vec<Vec<u8>> {
    let value = |dice: &mut Dice| {
        let small = f64::from(i32::try_from(dice.below(2_001)).unwrap() - 1_000);
        if dice.below(2) == 0 { small } else { small * 0.1 + 1e9 / (small.abs() + 0.7) }
    };
    let bytes = |dice: &mut Dice| match number {
        Number::F64 => value(dice).to_le_bytes().to_vec(),
        Number::F32 => narrow(value(dice)).to_le_bytes().to_vec(),
        Number::I64 => dice.throw().to_le_bytes().to_vec(),
    };
    (0..shards).map(|_| (0..count).flat_map(|_| bytes(dice)).collect()).collect()
}

fn f64s(bytes: &[u8], number: Number) -> Vec<f64> {
    match number {
        Number::F32 => {
            bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
        }
        _ => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
    }
}

/// Rounded to what the numbers are.
fn as_number(x: f64, number: Number) -> f64 {
    if number == Number::F32 { f64::from(narrow(x)) } else { x }
}

/// One number of the result, from that number of each shard.
fn whole_number(reduce: Reduce, values: &[i64]) -> i64 {
    match reduce {
        Reduce::Min => values.iter().copied().min().unwrap(),
        Reduce::Max => values.iter().copied().max().unwrap(),
        _ => values.iter().fold(0, |sum, value| sum.wrapping_add(*value)),
    }
}

fn real_number(reduce: Reduce, number: Number, values: &[f64], weights: &[f64]) -> f64 {
    let first = values[0];
    let added = |values: Vec<f64>| {
        values[1..].iter().fold(values[0], |sum, value| as_number(sum + value, number))
    };
    match reduce {
        Reduce::Min => values.iter().fold(first, |a, b| if a < *b { a } else { *b }),
        Reduce::Max => values.iter().fold(first, |a, b| if a > *b { a } else { *b }),
        Reduce::Mean => {
            let count = f64::from(u32::try_from(values.len()).unwrap());
            as_number(added(values.to_vec()) / count, number)
        }
        Reduce::WeightedMean => {
            let pairs = values.iter().zip(weights);
            let scaled = pairs.map(|(value, weight)| as_number(value * weight, number));
            as_number(added(scaled.collect()) / weights.iter().sum::<f64>(), number)
        }
        _ => added(values.to_vec()),
    }
}

/// What should come out, computed number by number without parts.
fn reference(reduce: Reduce, number: Number, answers: &[Vec<u8>]) -> Vec<u8> {
    if reduce == Reduce::Concat {
        return answers.concat();
    }
    if number == Number::I64 {
        let read = |bytes: &Vec<u8>| -> Vec<i64> {
            bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()
        };
        let shards: Vec<Vec<i64>> = answers.iter().map(read).collect();
        let column = |i: usize| shards.iter().map(|shard| shard[i]).collect::<Vec<_>>();
        let result = (0..shards[0].len()).map(|i| whole_number(reduce, &column(i)));
        return result.flat_map(i64::to_le_bytes).collect();
    }
    let shards: Vec<Vec<f64>> = answers.iter().map(|bytes| f64s(bytes, number)).collect();
    let column = |i: usize| shards.iter().map(|shard| shard[i]).collect::<Vec<_>>();
    let weights = if shards[0].is_empty() { Vec::new() } else { column(0) };
    let result = (0..shards[0].len()).map(|i| {
        // Weights are added, and not weighted themselves.
        let reduce = if reduce == Reduce::WeightedMean && i == 0 { Reduce::Sum } else { reduce };
        real_number(reduce, number, &column(i), &weights)
    });
    result
        .flat_map(|x| match number {
            Number::F32 => narrow(x).to_le_bytes().to_vec(),
            _ => x.to_le_bytes().to_vec(),
        })
        .collect()
}

/// The parts of all answers in some order, those of one shard in theirs.
fn shuffled(dice: &mut Dice, answers: &[Vec<u8>]) -> Vec<(u32, SessionHead, Bytes)> {
    let mut queues: Vec<VecDeque<Vec<u8>>> = answers
        .iter()
        .map(|answer| {
            let total = u32::try_from(answer.len()).unwrap();
            SessionHead::new(SessionKind::Answer, 1, total).messages(answer).collect()
        })
        .collect();
    let mut messages = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let shard = dice.of(queues.len());
        let Some(message) = queues[shard].pop_front() else { continue };
        let (head, part) = SessionHead::decode(&message).unwrap();
        messages.push((u32::try_from(shard).unwrap(), head, Bytes::copy_from_slice(part)));
    }
    messages
}

/// What comes out of the reducer: of each shard or of all together.
fn reduced(
    how: (Reduce, Number),
    nan: Nan,
    answers: &[Vec<u8>],
    dice: &mut Dice,
) -> Result<Vec<Vec<u8>>, ReduceError> {
    let shards = u32::try_from(answers.len()).unwrap();
    let mut reducer = Reducer::new(how, nan, shards)?;
    let (mut whole, mut parts) = (Vec::new(), Parts::default());
    for (shard, head, part) in shuffled(dice, answers) {
        let mut ready = Vec::new();
        reducer.add((shard, head.total), head.offset, part, &mut ready)?;
        for Ready { shard, total, offset, part } in ready {
            let head = SessionHead::new(SessionKind::Answer, 1, total);
            let head = SessionHead { offset, ..head };
            let of_shard = how.0 == Reduce::None;
            assert_eq!(usize::try_from(shard).unwrap(), if of_shard { whole.len() } else { 0 });
            if parts.add(&head, &part).expect("parts come in order") {
                whole.push(std::mem::take(&mut parts).payload);
            }
        }
    }
    assert!(parts.payload.is_empty(), "all of it came");
    assert!(reducer.sums.is_empty(), "nothing is kept that was given out");
    assert!(reducer.queues.iter().all(VecDeque::is_empty));
    Ok(whole)
}

fn combinations() -> impl Iterator<Item = (Reduce, Number)> {
    let of = |(_, reduce)| Number::ALL.into_iter().map(move |(_, number)| (reduce, number));
    let no_mean = |how: &(Reduce, Number)| {
        how.1 != Number::I64 || !matches!(how.0, Reduce::Mean | Reduce::WeightedMean)
    };
    Reduce::ALL.into_iter().flat_map(of).filter(no_mean)
}

#[test]
fn every_reduce_gives_the_bytes_of_a_plain_loop_in_whatever_order_parts_come() {
    let mut dice = Dice(1);
    for how in combinations().filter(|how| how.0 != Reduce::None) {
        for count in [0, 1, 2, EACH - 1, EACH, EACH + 1, 2 * EACH + 7] {
            let shards = 1 + dice.of(5);
            let answers = answers(&mut dice, how.1, shards, count);
            let wanted = vec![reference(how.0, how.1, &answers)];
            for _ in 0..2 {
                let found = reduced(how, Nan::Refuse, &answers, &mut dice).unwrap();
                assert!(found == wanted, "{how:?}: {shards} shards with {count} numbers");
            }
        }
    }
}

#[test]
fn small_answers_come_out_the_same_in_a_thousand_orders() {
    let mut dice = Dice(2);
    for how in combinations().filter(|how| how.0 != Reduce::None) {
        let answers = answers(&mut dice, how.1, 7, 3);
        let wanted = vec![reference(how.0, how.1, &answers)];
        for _ in 0..1_000 {
            assert_eq!(reduced(how, Nan::Refuse, &answers, &mut dice).unwrap(), wanted, "{how:?}");
        }
    }
}

#[test]
fn answers_that_are_not_put_together_come_in_the_order_of_shards_whatever_their_lengths() {
    let mut dice = Dice(3);
    let lens = [0, 1, 12, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 5];
    for _ in 0..100 {
        let count = 1 + dice.of(6);
        let answers: Vec<Vec<u8>> = (0..count)
            .map(|n| vec![u8::try_from(n).unwrap() + 1; lens[dice.of(lens.len())]])
            .collect();
        let none = (Reduce::None, Number::F64);
        assert!(reduced(none, Nan::Refuse, &answers, &mut dice).unwrap() == answers);
        let concat = (Reduce::Concat, Number::I64);
        let one = vec![answers.concat()];
        assert!(reduced(concat, Nan::Refuse, &answers, &mut dice).unwrap() == one);
    }
}

#[test]
fn the_first_part_of_a_sum_is_out_before_the_second_has_come() {
    let mut reducer = Reducer::new((Reduce::Sum, Number::F64), Nan::Refuse, 2).unwrap();
    let part = || Bytes::from(vec![0; PART_BYTES]);
    let total = u32::try_from(2 * PART_BYTES).unwrap();
    let mut ready = Vec::new();
    reducer.add((1, total), 0, part(), &mut ready).unwrap();
    assert!(ready.is_empty());
    reducer.add((0, total), 0, part(), &mut ready).unwrap();
    assert_eq!((ready.len(), ready[0].total, ready[0].offset), (1, total, 0));
}

fn add(reducer: &mut Reducer, shard: u32, bytes: Vec<u8>) -> Result<Vec<Ready>, ReduceError> {
    let mut ready = Vec::new();
    let total = u32::try_from(bytes.len()).unwrap();
    reducer.add((shard, total), 0, bytes.into(), &mut ready)?;
    Ok(ready)
}

#[test]
fn other_lengths_than_those_of_other_shards_are_refused() {
    for reduce in [Reduce::Sum, Reduce::Mean, Reduce::WeightedMean, Reduce::Min, Reduce::Max] {
        let mut reducer = Reducer::new((reduce, Number::F64), Nan::Refuse, 3).unwrap();
        add(&mut reducer, 2, vec![0; 16]).unwrap();
        let error = ReduceError::Shapes { shard: 0, found: 24, other: 2, wanted: 16 };
        assert_eq!(add(&mut reducer, 0, vec![0; 24]), Err(error), "{reduce:?}");
        for (number, bytes) in [(Number::F64, 8), (Number::F32, 4)] {
            let mut reducer = Reducer::new((reduce, number), Nan::Refuse, 3).unwrap();
            let error = ReduceError::Ragged { shard: 1, found: 13, bytes };
            assert_eq!(add(&mut reducer, 1, vec![0; 13]), Err(error), "{reduce:?} {number:?}");
        }
    }
}

#[test]
fn a_nan_is_named_by_its_place_or_kept() {
    let mut dice = Dice(4);
    for (number, each) in [(Number::F64, EACH), (Number::F32, 2 * EACH)] {
        let mut answers = answers(&mut dice, number, 3, each + 9);
        let at = (each + 4) * number.bytes();
        let nan = match number {
            Number::F32 => f32::NAN.to_le_bytes().to_vec(),
            _ => f64::NAN.to_le_bytes().to_vec(),
        };
        answers[1].splice(at..at + number.bytes(), nan);
        for (_, reduce) in Reduce::ALL {
            let how = (reduce, number);
            let refused = reduced(how, Nan::Refuse, &answers, &mut dice);
            if matches!(reduce, Reduce::None | Reduce::Concat) {
                assert!(refused.is_ok(), "nobody looks into it");
                continue;
            }
            let index = u64::try_from(each + 4).unwrap();
            assert_eq!(refused, Err(ReduceError::Nan { shard: 1, index }), "{how:?}");
            let kept = reduced(how, Nan::Keep, &answers, &mut dice).unwrap();
            let kept = f64s(&kept[0], number);
            let nans: Vec<usize> = (0..kept.len()).filter(|i| kept[*i].is_nan()).collect();
            assert_eq!(nans, [each + 4], "{how:?}: no other number became one");
        }
    }
    let mut whole = Reducer::new((Reduce::Sum, Number::I64), Nan::Refuse, 1).unwrap();
    assert!(add(&mut whole, 0, f64::NAN.to_le_bytes().to_vec()).is_ok(), "integers have none");
}

#[test]
fn sums_of_whole_numbers_wrap_and_have_no_mean() {
    for reduce in [Reduce::Mean, Reduce::WeightedMean] {
        let made = Reducer::new((reduce, Number::I64), Nan::Keep, 2);
        assert_eq!(made.err(), Some(ReduceError::MeanOfWhole));
    }
    let mut reducer = Reducer::new((Reduce::Sum, Number::I64), Nan::Refuse, 2).unwrap();
    add(&mut reducer, 1, 1_i64.to_le_bytes().to_vec()).unwrap();
    let ready = add(&mut reducer, 0, i64::MAX.to_le_bytes().to_vec()).unwrap();
    assert_eq!(*ready[0].part, i64::MIN.to_le_bytes());
}

#[test]
fn a_weighted_mean_of_several_parts_weighs_every_number_but_the_weight() {
    let count = 2 * EACH + 3;
    let of = |weight: f64, value: f64| -> Vec<u8> {
        let values = std::iter::once(weight).chain(std::iter::repeat_n(value, count - 1));
        values.flat_map(f64::to_le_bytes).collect()
    };
    let answers = [of(1.0, 10.0), of(3.0, 2.0)];
    let how = (Reduce::WeightedMean, Number::F64);
    let found = reduced(how, Nan::Refuse, &answers, &mut Dice(5)).unwrap();
    assert!(found[0] == of(4.0, 4.0), "(1 * 10 + 3 * 2) / 4");
}

#[test]
fn more_than_64_mib_together_are_refused() {
    let mut reducer = Reducer::new((Reduce::Concat, Number::F64), Nan::Refuse, 2).unwrap();
    let half = medusa_protocol::PAYLOAD_BYTES_MAX >> 1;
    let mut ready = Vec::new();
    let part = Bytes::from(vec![0; PART_BYTES]);
    reducer.add((0, half), 0, part.clone(), &mut ready).unwrap();
    let mut at_most = Reducer::new((Reduce::Concat, Number::F64), Nan::Refuse, 2).unwrap();
    at_most.add((0, half), 0, part.clone(), &mut ready).unwrap();
    assert_eq!(at_most.add((1, half), 0, part.clone(), &mut ready), Ok(()));
    assert_eq!(ready[0].total, medusa_protocol::PAYLOAD_BYTES_MAX);
    assert_eq!(reducer.add((1, half + 1), 0, part, &mut ready), Err(ReduceError::Large));
}
