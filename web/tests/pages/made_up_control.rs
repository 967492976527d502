//! A wheel that turns nothing: what was ordered comes back as the job's reason.

use medusa_api::{Breakdown, Job, MergePreview, Quote, SplitPreview, TimeRange};
use medusa_platform::{ApiError, Principal};
use medusa_types::{Credits, Fuel, JobId};
use medusa_web::{Answer, Data as _, JobOrder, Steer};

use super::made_up::{DONE, MadeUp, NOW, RUNNING, SHARP, cr, job, missing, no, tariff, yes};

/// A quote that can be accepted.
pub(crate) const QUOTE: &str = "quo_01";

fn quote() -> Quote {
    let breakdown = Breakdown {
        compute: cr(700_000),
        memory: cr(60_000),
        transfer: cr(40_000),
        start: cr(2_000),
        verification: cr(48_000),
        fee: cr(150_000),
    };
    Quote {
        id: QUOTE.into(),
        split: SplitPreview { chunks: 48, bytes: 96_000, largest: 4_000, in_words: SHARP.into() },
        low: cr(700_000),
        likely: breakdown.sum(),
        hold: cr(4_000_000),
        verification: cr(56_470),
        fee: breakdown.fee,
        breakdown,
        twice_ppm: 60_000,
        merging: Some(MergePreview { nodes: 7, sample_fuel: Fuel(3), sample_bytes: 2 }),
        tariff: tariff(),
        sample_fuel: Fuel(5),
        sample_output: 7,
        sample_stderr: SHARP.into(),
        time: Some(TimeRange { low: 30, high: 400 }),
        agents: 5,
        expires_at: NOW,
    }
}

impl Steer for MadeUp {
    fn steer<'a>(
        &'a self,
        _: &'a Principal,
        id: JobId,
        key: String,
        order: JobOrder,
    ) -> Answer<'a, Job> {
        // The key is of the form, so that a form that is sent twice is one wish.
        let is_page_key = key.starts_with("page:") && key.len() == 69;
        match order {
            JobOrder::Raise(add) if add > Credits::from_micros(98_407_690) => {
                let detail = "the wallet does not cover it";
                no(ApiError::new(402, "billing.credits_short", "not enough credits", detail))
            }
            _ if is_page_key && id == RUNNING => yes(job(id)),
            _ => missing("job"),
        }
    }

    fn rerun<'a>(&'a self, _: &'a Principal, id: JobId) -> Answer<'a, Quote> {
        if id == DONE { yes(quote()) } else { missing("job") }
    }

    fn quoted<'a>(&'a self, _: &'a Principal, id: JobId) -> Answer<'a, Option<Quote>> {
        yes((id == RUNNING).then(quote))
    }

    fn accept<'a>(&'a self, who: &'a Principal, _: String, quote: String) -> Answer<'a, Job> {
        if quote == QUOTE { self.job(who, RUNNING) } else { missing("quote") }
    }
}
