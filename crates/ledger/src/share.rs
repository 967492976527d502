//! Splitting a whole into shares without losing or making a unit.

use medusa_types::{Credits, Fuel, UserId};

/// Splits `whole` in proportion to `weights` so that the parts sum to it exactly: each part is
/// rounded towards nothing, and what is left goes, a micro-credit each, to the largest remainders,
/// earlier ones first. With no weight at all everything goes to the first. A negative whole has
/// negative parts. There is a part for each weight.
#[must_use]
pub fn split_shares(whole: Credits, weights: &[u64]) -> Vec<Credits> {
    // 64 bits of amount times 64 bits of weight fit into 128, so nothing here saturates.
    let micros = u128::from(whole.micros().unsigned_abs());
    let sum: u128 = weights.iter().map(|w| u128::from(*w)).sum();
    let mut parts: Vec<(u128, u128)> = weights
        .iter()
        .map(|w| {
            let product = micros.saturating_mul(u128::from(*w));
            let part = product.checked_div(sum).unwrap_or_default();
            (part, product.checked_rem(sum).unwrap_or_default())
        })
        .collect();
    let given: u128 = parts.iter().map(|(part, _)| part).sum();
    let mut left = micros.saturating_sub(given);
    if sum == 0 {
        if let Some(first) = parts.first_mut() {
            first.0 = left;
        }
        left = 0;
    }
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(parts.get(*i).map(|(_, rest)| *rest)));
    for i in order {
        if let Some(part) = parts.get_mut(i).filter(|_| left > 0) {
            part.0 = part.0.saturating_add(1);
            left = left.saturating_sub(1);
        }
    }
    parts.into_iter().map(|(part, _)| signed(part, whole)).collect()
}

/// A part, with the sign of the whole that it is no larger than.
fn signed(part: u128, whole: Credits) -> Credits {
    let part = i128::try_from(part).unwrap_or_default();
    let part = if whole.micros() < 0 { part.saturating_neg() } else { part };
    Credits::from_micros(i64::try_from(part).unwrap_or_default())
}

/// How the price of verified work is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The platform's part.
    pub fee: Credits,
    /// Each lender's part, in the order in which they were given.
    pub shares: Vec<(UserId, Credits)>,
}

/// Divides `gross`, a price with its fee. The fee is `fee_permille` thousandths of it, rounded down
/// and at most all of it; the rest goes to the lenders in proportion to the fuel that each
/// delivered, the largest remainders rounded up, smaller lender ids first where these are equal.
/// Where nobody delivered any fuel, the smallest id gets it all. Fee and shares sum to `gross`
/// exactly. `None` when there is no lender, or `gross` is negative.
#[must_use]
pub fn settle_shares(
    gross: Credits,
    fee_permille: u32,
    delivered: &[(UserId, Fuel)],
) -> Option<Settlement> {
    if delivered.is_empty() || gross < Credits::ZERO {
        return None;
    }
    let fee = gross.share_floor(u64::from(fee_permille.min(1_000)), 1_000)?;
    let mut order: Vec<(usize, UserId, Fuel)> =
        delivered.iter().enumerate().map(|(at, (lender, fuel))| (at, *lender, *fuel)).collect();
    order.sort_by_key(|(at, lender, _)| (*lender, *at));
    let weights: Vec<u64> = order.iter().map(|(_, _, fuel)| fuel.0).collect();
    let parts = split_shares(gross.checked_sub(fee)?, &weights);
    let mut shares: Vec<(usize, UserId, Credits)> =
        order.into_iter().zip(parts).map(|((at, lender, _), part)| (at, lender, part)).collect();
    shares.sort_by_key(|(at, _, _)| *at);
    let shares = shares.into_iter().map(|(_, lender, part)| (lender, part)).collect();
    Some(Settlement { fee, shares })
}
