//! Shares sum to the whole, exactly and for every whole.

use medusa_types::Fuel;
use proptest::prelude::*;

use super::{micros, user};
use crate::{Settlement, settle_shares, split_shares};

fn parts(whole: i64, weights: &[u64]) -> Vec<i64> {
    split_shares(micros(whole), weights).iter().map(|part| part.micros()).collect()
}

#[test]
fn what_rounding_leaves_goes_to_the_largest_remainders_and_then_to_the_first() {
    for (whole, weights, expected) in [
        (10, &[1, 1, 1][..], &[4, 3, 3][..]),
        (11, &[1, 1, 1], &[4, 4, 3]),
        (10, &[1, 5], &[2, 8]),
        (7, &[3, 3, 1], &[3, 3, 1]),
        (100, &[1, 2, 4], &[14, 29, 57]),
        (-10, &[1, 1, 1], &[-4, -3, -3]),
        (5, &[0, 0], &[5, 0]),
        (5, &[0, 1, 0], &[0, 5, 0]),
        (0, &[3, 4], &[0, 0]),
        (1, &[u64::MAX, u64::MAX], &[1, 0]),
        (9, &[], &[]),
        (i64::MAX, &[u64::MAX, u64::MAX], &[1 << 62, (1 << 62) - 1]),
        (i64::MIN, &[u64::MAX], &[i64::MIN]),
        (i64::MIN, &[0], &[i64::MIN]),
    ] {
        assert_eq!(parts(whole, weights), expected, "{whole} by {weights:?}");
    }
}

fn settlement(gross: i64, permille: u32, delivered: &[(u128, u64)]) -> Option<(i64, Vec<i64>)> {
    let delivered: Vec<_> = delivered.iter().map(|(n, fuel)| (user(*n), Fuel(*fuel))).collect();
    let Settlement { fee, shares } = settle_shares(micros(gross), permille, &delivered)?;
    let lenders: Vec<_> = shares.iter().map(|(lender, _)| *lender).collect();
    assert_eq!(lenders, delivered.iter().map(|(lender, _)| *lender).collect::<Vec<_>>());
    Some((fee.micros(), shares.iter().map(|(_, part)| part.micros()).collect()))
}

#[test]
fn a_price_is_divided_into_fee_and_shares() {
    for (gross, permille, delivered, expected) in [
        (1_000, 150, &[(1, 7), (2, 7)][..], Some((150, vec![425, 425]))),
        // The fee is rounded down, to the lenders' side.
        (9, 150, &[(1, 1)], Some((1, vec![8]))),
        // What is left over goes to the smaller id, wherever it stands.
        (3, 0, &[(8, 5), (2, 5)], Some((0, vec![1, 2]))),
        (3, 0, &[(2, 5), (8, 5)], Some((0, vec![2, 1]))),
        // One lender with two machines, and a tie between them.
        (3, 0, &[(2, 5), (2, 5)], Some((0, vec![2, 1]))),
        (100, 0, &[(1, 1), (2, 3)], Some((0, vec![25, 75]))),
        // Nobody delivered fuel.
        (7, 0, &[(8, 0), (2, 0)], Some((0, vec![0, 7]))),
        (7, 5_000, &[(1, 1)], Some((7, vec![0]))),
        (0, 150, &[(1, 1)], Some((0, vec![0]))),
        (7, 0, &[], None),
        (-7, 0, &[(1, 1)], None),
    ] {
        assert_eq!(settlement(gross, permille, delivered), expected, "{gross} {delivered:?}");
    }
}

/// Any whole, and often one at an edge.
fn whole() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -1_000..1_000_i64, Just(i64::MAX), Just(i64::MIN), Just(0)]
}

fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..10_u64, Just(0), Just(u64::MAX)]
}

proptest! {
    #[test]
    fn parts_sum_to_the_whole(whole in whole(), weights in prop::collection::vec(weight(), 1..12)) {
        let parts = parts(whole, &weights);
        prop_assert_eq!(parts.len(), weights.len());
        prop_assert_eq!(parts.iter().map(|p| i128::from(*p)).sum::<i128>(), i128::from(whole));
        let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
        for (part, weight) in parts.iter().zip(&weights).filter(|_| sum > 0) {
            // Less than one away from the exact share, in units of one part in `sum`.
            let exact = u128::from(whole.unsigned_abs()) * u128::from(*weight);
            let found = u128::from(part.unsigned_abs()).checked_mul(sum).unwrap();
            prop_assert!(found.abs_diff(exact) < sum, "{} of {}", part, whole);
            prop_assert!(*weight > 0 || *part == 0);
        }
    }

    #[test]
    fn fee_and_shares_sum_to_the_price(
        gross in prop_oneof![0..=i64::MAX, 0..1_000_i64, Just(i64::MAX)],
        permille in 0..1_200_u32,
        delivered in prop::collection::vec((1..4_u128, weight()), 1..9),
    ) {
        let (fee, shares) = settlement(gross, permille, &delivered).unwrap();
        prop_assert!(fee >= 0 && shares.iter().all(|part| *part >= 0));
        let sum: i128 = shares.iter().map(|part| i128::from(*part)).sum();
        prop_assert_eq!(i128::from(fee) + sum, i128::from(gross));
        let exact = i128::from(gross) * i128::from(permille.min(1_000));
        prop_assert!((0..1_000).contains(&(exact - i128::from(fee) * 1_000)));
    }

    #[test]
    fn who_gets_what_does_not_depend_on_the_order(
        gross in 0..1_000_i64,
        mut delivered in prop::collection::vec((1..9_u128, 0..9_u64), 1..6),
    ) {
        delivered.sort_unstable();
        delivered.dedup_by_key(|(lender, _)| *lender);
        let forth = settlement(gross, 100, &delivered).unwrap();
        delivered.reverse();
        let mut back = settlement(gross, 100, &delivered).unwrap();
        back.1.reverse();
        prop_assert_eq!(forth, back);
    }
}
