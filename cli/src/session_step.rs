//! What is computed with rounds on this side: the next payload out of an answer, how long rounds
//! took, and what the metrics of all shards say. Plain data.
#![expect(clippy::float_arithmetic, reason = "what consumers compute is theirs; no money is here")]

use std::collections::BTreeMap;
use std::time::Duration;

use medusa_protocol::Reduce;

/// What the next round is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    /// The same again.
    Same,
    /// The answer.
    Answer,
    /// The payload, and so many times the answer.
    Feedback(f64),
}

impl Next {
    /// The next payload.
    ///
    /// # Errors
    /// Why the answer does not fit the payload, in words.
    pub(crate) fn payload(
        self,
        payload: &mut Vec<u8>,
        answer: &[u8],
        reduce: Reduce,
    ) -> Result<(), String> {
        match self {
            Self::Same => Ok(()),
            Self::Answer => {
                payload.clear();
                payload.extend_from_slice(answer);
                Ok(())
            }
            Self::Feedback(rate) => add(payload, answer, (rate, reduce)),
        }
    }
}

/// Adds an answer, which has as many f64 as the payload, or one more: the first of a weighted mean
/// is the sum of the weights; the last of other answers is a count that the rest is divided by.
fn add(payload: &mut [u8], answer: &[u8], (rate, reduce): (f64, Reduce)) -> Result<(), String> {
    let (places, rest) = payload.as_chunks_mut::<8>();
    let (numbers, odd) = answer.as_chunks::<8>();
    let differ = || {
        format!(
            "the answer has {} bytes, and the payload {}; --feedback needs as many f64, or one more",
            answer.len(),
            places.len().saturating_mul(8).saturating_add(rest.len())
        )
    };
    let (steps, count) = match numbers {
        same if same.len() == places.len() => (same, 1.0),
        [_, steps @ ..] if reduce == Reduce::WeightedMean => (steps, 1.0),
        [steps @ .., count] => (steps, f64::from_le_bytes(*count)),
        [] => return Err(differ()),
    };
    if steps.len() != places.len() || !rest.is_empty() || !odd.is_empty() {
        return Err(differ());
    }
    for (place, step) in places.iter_mut().zip(steps) {
        let next = f64::from_le_bytes(*place) + rate * (f64::from_le_bytes(*step) / count);
        *place = next.to_le_bytes();
    }
    Ok(())
}

/// How long rounds took.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rounds: Vec<Duration>,
}

impl Pace {
    /// A round took so long.
    pub(crate) fn took(&mut self, time: Duration) {
        self.rounds.push(time);
    }

    /// How many there were.
    pub(crate) fn rounds(&self) -> u64 {
        u64::try_from(self.rounds.len()).unwrap_or(u64::MAX)
    }

    /// How long all took together.
    pub(crate) fn all(&self) -> Duration {
        self.rounds.iter().sum()
    }

    /// Rounds in a second.
    pub(crate) fn per_second(&self) -> f64 {
        let seconds = self.all().as_secs_f64();
        let rounds = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(rounds) / seconds } else { 0.0 }
    }

    /// The time that so many rounds of a hundred did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.rounds.clone();
        sorted.sort_unstable();
        let rank = sorted.len().saturating_mul(percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// So many milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The numbers of a round by name, in the order of the shards that gave them.
pub(crate) fn metrics(lines: &[(u32, String)]) -> BTreeMap<String, Vec<f64>> {
    let mut lines: Vec<_> = lines.iter().collect();
    lines.sort_by_key(|(shard, _)| *shard);
    let mut numbers = BTreeMap::<String, Vec<f64>>::new();
    for line in lines.iter().flat_map(|(_, lines)| lines.lines()) {
        if let Some((name, number)) = line.rsplit_once(' ')
            && let Ok(number) = number.parse()
        {
            numbers.entry(name.to_owned()).or_default().push(number);
        }
    }
    numbers
}

/// The mean of numbers, of which there are some.
fn mean(numbers: &[f64]) -> f64 {
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    numbers.iter().sum::<f64>() / f64::from(count)
}

/// The mean of each metric, in one line: `accuracy 0.9265, loss 0.3017`.
pub(crate) fn means(metrics: &BTreeMap<String, Vec<f64>>) -> String {
    let each = |(name, numbers): (&String, &Vec<f64>)| format!("{name} {}", short(mean(numbers)));
    metrics.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// A metric for people: the number, or what the shards' numbers are together.
pub(crate) fn in_words(name: &str, numbers: &[f64]) -> String {
    match numbers {
        [one] => format!("{name} {}", short(*one)),
        many => {
            let (least, most) = many
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), n| (a.min(*n), b.max(*n)));
            let sum: f64 = many.iter().sum();
            let (mean, sum) = (short(mean(many)), short(sum));
            format!("{name} {} to {}, mean {mean}, sum {sum}", short(least), short(most))
        }
    }
}

/// A number with about four digits that count.
fn short(number: f64) -> String {
    let size = number.abs();
    if number.fract().abs() < f64::EPSILON && size < 1e15 {
        format!("{number:.0}")
    } else if (0.001..1e9).contains(&size) {
        format!("{number:.4}")
    } else {
        format!("{number:.3e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn the_next_payload_comes_from_the_answer() {
        let next = |next: Next, answer: &[f64], reduce| {
            let mut payload = bytes(&[1.0, 2.0]);
            next.payload(&mut payload, &bytes(answer), reduce).map(|()| payload)
        };
        let rate = Next::Feedback(-0.5);
        assert_eq!(next(Next::Same, &[9.0], Reduce::Sum), Ok(bytes(&[1.0, 2.0])));
        assert_eq!(next(Next::Answer, &[9.0], Reduce::Sum), Ok(bytes(&[9.0])));
        assert_eq!(next(rate, &[4.0, 8.0], Reduce::Sum), Ok(bytes(&[-1.0, -2.0])));
        let counted = next(rate, &[40.0, 80.0, 10.0], Reduce::Sum);
        assert_eq!(counted, Ok(bytes(&[-1.0, -2.0])), "divided by the count");
        let weighted = next(rate, &[10.0, 4.0, 8.0], Reduce::WeightedMean);
        assert_eq!(weighted, Ok(bytes(&[-1.0, -2.0])), "the weights' sum is no step");
        for answer in [&[][..], &[1.0], &[1.0; 4]] {
            for reduce in [Reduce::Sum, Reduce::WeightedMean] {
                let error = next(rate, answer, reduce).expect_err("it does not fit");
                assert!(error.contains("and the payload 16;"), "{error}");
            }
        }
        let mut ragged = vec![0; 9];
        assert!(rate.payload(&mut ragged, &bytes(&[1.0]), Reduce::Sum).is_err());
        assert!(rate.payload(&mut bytes(&[1.0]), &[0; 9], Reduce::Sum).is_err());
    }

    #[test]
    fn a_pace_has_its_percentiles() {
        let mut pace = Pace::default();
        assert_eq!((pace.percentile(50), pace.rounds()), (Duration::ZERO, 0));
        assert!(pace.per_second().abs() < 1e-9);
        for ms in (1..=100).rev() {
            pace.took(Duration::from_millis(ms));
        }
        let found = [50, 99, 100].map(|percent| pace.percentile(percent).as_millis());
        assert_eq!(found, [50, 99, 100]);
        assert_eq!((pace.rounds(), pace.all()), (100, Duration::from_millis(5_050)));
        assert_eq!(format!("{:.2}", pace.per_second()), "19.80");
        assert_eq!(format!("{:.2}", ms(Duration::from_micros(1_234))), "1.23");
    }

    #[test]
    fn metrics_are_told_for_all_shards() {
        let lines = [(1, "loss 0.5\ncells 3\n".into()), (0, "loss 0.25\nnonsense\nx y\n".into())];
        let found = metrics(&lines);
        assert_eq!(found["loss"], [0.25, 0.5]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["cells", "loss"]);
        assert_eq!(means(&found), "cells 3, loss 0.3750");
        assert_eq!(in_words("cells", &found["cells"]), "cells 3");
        let told = in_words("loss", &found["loss"]);
        assert_eq!(told, "loss 0.2500 to 0.5000, mean 0.3750, sum 0.7500");
        assert_eq!([1e-5, -3.5, 4e20].map(short), ["1.000e-5", "-3.5000", "4.000e20"]);
    }
}
