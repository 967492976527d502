//! The front page: what this is, to each kind of person.

use actix_web::HttpResponse;
use askama::Template;
use medusa_api::{AuditHead, Tariff};
use medusa_types::Credits;

use crate::ask::Ask;
use crate::port::Totals;
use crate::show;

/// Jobs that the price list shows: name, chunks, millions of fuel in a chunk.
const SAMPLES: [(&str, u64, u64); 3] = [
    ("Outline the cells of a microscope picture", 48, 400),
    ("Count the words of six novels", 6, 900),
    ("A Monte Carlo run of 64 seed ranges", 64, 2_000),
];

/// A line of the price list.
struct Sample {
    what: &'static str,
    chunks: u64,
    gfuel: String,
    single: Credits,
    double: Credits,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    ask: &'a Ask,
    tariff: Option<Tariff>,
    samples: Vec<Sample>,
    head: Option<AuditHead>,
    totals: Option<Totals>,
}

pub(crate) async fn home(ask: Ask) -> HttpResponse {
    ask.show(async {
        // The front page comes even when a figure does not.
        let tariff = ask.data().tariff().await.ok();
        let samples = tariff.as_ref().map(samples).unwrap_or_default();
        let head = ask.data().head().await.ok();
        let totals = ask.data().totals().await.ok();
        ask.page(&Home { ask: &ask, tariff, samples, head, totals })
    })
    .await
}

fn samples(tariff: &Tariff) -> Vec<Sample> {
    SAMPLES
        .iter()
        .filter_map(|&(what, chunks, mfuel)| {
            let single = price(tariff, chunks, mfuel)?;
            let gfuel = format!("{}.{}", mfuel.checked_div(1_000)?, mfuel.checked_div(100)? % 10);
            Some(Sample { what, chunks, gfuel, single, double: single.checked_mul(2)? })
        })
        .collect()
}

/// Bytes as the tariff counts them.
fn mib(bytes: &u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// What one copy of each chunk costs, where memory and transfer are free.
fn price(tariff: &Tariff, chunks: u64, mfuel: u64) -> Option<Credits> {
    let chunk = tariff.per_gfuel.share_floor(mfuel, 1_000)?.checked_add(tariff.per_start)?;
    chunk.checked_mul(i64::try_from(chunks).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_list_follows_the_tariff() {
        let tariff = Tariff {
            meter: "wt48-1".into(),
            per_gfuel: Credits::from_micros(500),
            per_gfuel_gib: Credits::from_micros(30),
            memory_free: 512 << 20,
            per_gib: Credits::from_micros(100_000),
            transfer_free: 1 << 20,
            per_start: Credits::from_micros(50),
            fee_permille: 100,
        };
        // 48 x (0.4 x 500 + 50)
        assert_eq!(price(&tariff, 48, 400), Some(Credits::from_micros(12_000)));
        assert_eq!(samples(&tariff).len(), SAMPLES.len());
    }
}
