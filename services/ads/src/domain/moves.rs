//! What the facts of this service move.

use medusa_events::Fact;
use medusa_ledger::{Account, Bucket, Move};

/// The moves that belong to a fact. A view's price leaves the reserve whole: what the viewer does
/// not get is the platform's. A reward above its price makes a negative part, which the ledger
/// refuses.
pub(crate) fn moves(fact: &Fact) -> Vec<Move> {
    match fact {
        Fact::CampaignFunded { campaign, budget } => vec![Move::Split {
            from: vec![Account::promo_grant()],
            to: vec![(Account::campaign_reserve(campaign), *budget)],
        }],
        Fact::WatchRewarded { user, campaign, price, reward, .. } => vec![Move::Split {
            from: vec![Account::campaign_reserve(campaign)],
            to: vec![
                (Account::wallet(Bucket::Ad, *user), *reward),
                // Both are positive, so the difference is in range.
                (Account::ad_margin(), price.checked_sub(*reward).unwrap_or_default()),
            ],
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use medusa_ledger::{Book, Refusal};
    use medusa_types::{Credits, UserId, Uuid};

    use super::*;

    const USER: UserId = UserId(Uuid::from_u128(7));

    fn rewarded(price: i64, reward: i64) -> Fact {
        Fact::WatchRewarded {
            watch: "wat_1".into(),
            user: USER,
            campaign: "cmp_1".into(),
            price: Credits::from_micros(price),
            reward: Credits::from_micros(reward),
        }
    }

    #[test]
    fn a_view_takes_its_whole_price_from_the_reserve_and_no_more_than_there_is() {
        let reserve = Account::campaign_reserve("cmp_1");
        let book = Book::load([(reserve.clone(), Credits::from_micros(125))]);
        for (price, reward, expected) in [
            (125, 100, Ok((0, 100, 25))),
            (100, 100, Ok((25, 100, 0))),
            (125, 126, Err(Refusal::Negative)),
            (
                126,
                100,
                Err(Refusal::Short {
                    has: Credits::from_micros(125),
                    due: Credits::from_micros(126),
                }),
            ),
        ] {
            let mut draft = book.draft();
            let posted = draft.post(&moves(&rewarded(price, reward)));
            let found = posted.map(|_| {
                let micros = |account| draft.balance(&account).micros();
                (
                    micros(reserve.clone()),
                    micros(Account::wallet(Bucket::Ad, USER)),
                    micros(Account::ad_margin()),
                )
            });
            assert_eq!(found, expected, "{price} of which {reward}");
        }
    }

    #[test]
    fn the_accounts_of_ads_read_back_as_they_are_written() {
        for (account, text) in [
            (Account::campaign_reserve("cmp_1"), "campaign.reserve:cmp_1"),
            (Account::ad_margin(), "income.ad_margin"),
        ] {
            assert_eq!(account.to_string(), text);
            assert_eq!(text.parse(), Ok(account));
        }
        assert!("campaign.reserve".parse::<Account>().is_err());
    }
}
