//! A quote as a picture and in words: the parts of its price as one stacked bar, and between which
//! times the job is expected to end.

use medusa_api::{Breakdown, MergePreview, Quote, SplitPreview};
use medusa_types::Credits;

use crate::show;

/// Width of the bar, in units of its picture.
const WIDTH: u64 = 1_000;

/// A part of the price.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// The class that colours it.
    pub(crate) class: &'static str,
    pub(crate) amount: Credits,
    pub(crate) x: u64,
    pub(crate) width: u64,
}

/// The parts of a price, side by side.
#[derive(Debug)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

impl Parts {
    pub(crate) fn of(breakdown: &Breakdown) -> Self {
        let classes = [
            "part-compute",
            "part-memory",
            "part-transfer",
            "part-start",
            "part-verification",
            "part-fee",
        ];
        let whole = u64::try_from(breakdown.sum().micros()).unwrap_or_default().max(1);
        let (mut parts, mut before) = (Vec::new(), Credits::ZERO);
        for ((name, amount), class) in breakdown.parts().into_iter().zip(classes) {
            let place = |sum: Credits| {
                let micros = u64::try_from(sum.micros()).unwrap_or_default();
                micros.saturating_mul(WIDTH).checked_div(whole).unwrap_or_default()
            };
            let (x, after) = (place(before), before.saturating_add(amount));
            parts.push(Part { name, class, amount, x, width: place(after).saturating_sub(x) });
            before = after;
        }
        Self(parts)
    }
}

/// What a chunk reads, for people.
pub(crate) fn reads(split: &SplitPreview) -> String {
    let average = show::bytes(&split.average());
    if split.largest > split.average() {
        format!("about {average}, at most {}", show::bytes(&split.largest))
    } else {
        average
    }
}

/// What puts the results together beside the chunks, for people.
pub(crate) fn merge_runs(merging: &MergePreview) -> String {
    match merging.nodes {
        1 => "one more run on an agent".into(),
        nodes => format!("{} more runs on agents", show::count(nodes)),
    }
}

/// How long the job takes, for people.
pub(crate) fn time(quote: &Quote) -> String {
    match quote.time {
        None => "nobody is online: it starts when an agent comes".into(),
        Some(time) if time.low == time.high => format!("about {}", seconds(time.low)),
        Some(time) => format!("{} to {}", seconds(time.low), seconds(time.high)),
    }
}

fn seconds(seconds: u64) -> String {
    show::span(&seconds.max(2).saturating_mul(1_000))
}

/// Which part of the chunks is computed twice, for people.
pub(crate) fn twice(ppm: &u32) -> String {
    match ppm.div_ceil(10_000) {
        0 => "none of the chunks".into(),
        100.. => "every chunk".into(),
        percent => format!("about {percent} % of the chunks"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_the_bar_in_their_order() {
        let micros = Credits::from_micros;
        let breakdown = Breakdown {
            compute: micros(300),
            memory: micros(0),
            transfer: micros(200),
            start: micros(1),
            verification: micros(0),
            fee: micros(166),
        };
        let places: Vec<_> = Parts::of(&breakdown).0.iter().map(|p| (p.x, p.width)).collect();
        assert_eq!(places, [(0, 449), (449, 0), (449, 300), (749, 2), (751, 0), (751, 249)]);
        assert!(Parts::of(&Breakdown::default()).0.iter().all(|part| part.width == 0));
    }

    #[test]
    fn checking_is_told_in_percent() {
        let told = [0, 1, 40_000, 990_001, 1_000_000].map(|ppm| twice(&ppm));
        assert_eq!(
            told,
            [
                "none of the chunks",
                "about 1 % of the chunks",
                "about 4 % of the chunks",
                "every chunk",
                "every chunk"
            ]
        );
    }
}
