//! The front page: what this is, to each kind of person.

use actix_web::HttpResponse;
use askama::Template;
use medusa_api::{AuditHead, Tariff};
use medusa_types::Credits;

use crate::ask::Ask;
use crate::port::Totals;
use crate::show;

/// A job of the price list: one of the examples, as it was measured.
struct Measured {
    /// The example's name.
    what: &'static str,
    chunks: u64,
    /// Millions of fuel of a usual chunk.
    mfuel: u64,
    /// Bytes that a usual chunk reads and writes.
    bytes: u64,
}

const SAMPLES: [Measured; 3] = [
    Measured { what: "Cell picture", chunks: 36, mfuel: 858, bytes: 65_000 },
    Measured { what: "Word pairs of six novels", chunks: 6, mfuel: 599, bytes: 1_460_000 },
    Measured { what: "Pi from random points", chunks: 64, mfuel: 5_001, bytes: 100 },
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
    SAMPLES.iter().filter_map(|measured| sample(tariff, measured)).collect()
}

fn sample(tariff: &Tariff, measured: &Measured) -> Option<Sample> {
    let &Measured { what, chunks, mfuel, .. } = measured;
    let single = price(tariff, measured)?;
    let tenths = mfuel.checked_add(50)?.checked_div(100)?;
    let gfuel = format!("{}.{}", tenths.checked_div(10)?, tenths % 10);
    Some(Sample { what, chunks, gfuel, single, double: single.checked_mul(2)? })
}

/// Bytes as the tariff counts them.
fn mib(bytes: &u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// What one copy of each chunk costs, with no more memory than is free. Each part is rounded up, as
/// it is when it is paid.
fn price(tariff: &Tariff, measured: &Measured) -> Option<Credits> {
    let charged = measured.bytes.saturating_sub(tariff.transfer_free);
    let copy = share_ceil(tariff.per_gfuel, measured.mfuel, 1_000)?
        .checked_add(share_ceil(tariff.per_gib, charged, 1 << 30)?)?
        .checked_add(tariff.per_start)?;
    copy.checked_mul(i64::try_from(measured.chunks).ok()?)
}

fn share_ceil(amount: Credits, part: u64, whole: u64) -> Option<Credits> {
    let floor = amount.share_floor(part, whole)?;
    let is_whole = u128::from(amount.micros().unsigned_abs())
        .checked_mul(part.into())?
        .is_multiple_of(whole.into());
    floor.checked_add(Credits::from_micros(i64::from(!is_whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_list_says_what_the_examples_cost() {
        // Bills of jobs with two copies of every chunk; of pi it is the quote.
        let bills = [1_994, 702, 18_306].map(Credits::from_micros);
        for (sample, bill) in samples(&Tariff::usual()).iter().zip(bills) {
            let off = sample.double.micros().abs_diff(bill.micros());
            assert!(
                off * 50 <= bill.micros().unsigned_abs(),
                "{}: {} is not {bill}",
                sample.what,
                sample.double
            );
        }
        assert_eq!(samples(&Tariff::usual()).len(), SAMPLES.len());
    }

    #[test]
    fn the_price_list_follows_the_tariff() {
        let dear = Tariff {
            per_gfuel: Credits::from_micros(500),
            per_start: Credits::from_micros(50),
            transfer_free: 0,
            ..Tariff::usual()
        };
        let measured = Measured { what: "", chunks: 48, mfuel: 401, bytes: 1 << 20 };
        // 48 x (200.5 + 97.66 + 50), the first two rounded up
        assert_eq!(price(&dear, &measured), Some(Credits::from_micros(48 * (201 + 98 + 50))));
    }
}
