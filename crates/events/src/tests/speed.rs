//! What encoding and decoding cost. Ignored: a figure of the machine, and no claim that can fail.
//! `cargo test -p medusa-events --release -- --ignored --nocapture speed`

use std::hint::black_box;
use std::time::Instant;

use super::{GOLDEN, decode};
use crate::Envelope;

const TIMES: u32 = 1_000;

/// Nanoseconds of one call, the best of twenty rounds.
fn best(mut work: impl FnMut()) -> u128 {
    let round = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..TIMES).for_each(|_| work());
        began.elapsed().as_nanos().div_euclid(u128::from(TIMES))
    };
    (0..20).map(|_| round(&mut work)).min().unwrap()
}

#[test]
#[ignore = "prints figures of this machine"]
fn speed() {
    for kind in ["billing.escrow_held", "billing.chunk_settled", "jobs.job_submitted"] {
        let line = GOLDEN.lines().find(|line| line.contains(kind)).unwrap();
        let event = decode(line.as_bytes());
        let encode = best(|| drop(black_box(black_box(&event).encode())));
        let derived = best(|| drop(black_box(serde_json::to_vec(black_box(&event)).unwrap())));
        let read = best(|| drop(black_box(decode(black_box(line.as_bytes())))));
        let own = best(|| {
            let event: Envelope = serde_json::from_str(black_box(line)).unwrap();
            drop(black_box(event));
        });
        println!(
            "{kind}: {} bytes; encode {encode} ns (derived {derived}), decode {read} ns \
             (derived, neither strict nor canonical, {own})",
            line.len()
        );
    }
}
