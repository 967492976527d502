//! What the facts of this service move.

use medusa_events::Fact;
use medusa_ledger::Move;
use medusa_ledger::flows::{self, View};

/// The moves that belong to a fact. A view's price leaves the reserve whole: what the viewer does
/// not get is the platform's. A reward above its price makes a negative part, which the ledger
/// refuses.
pub(crate) fn moves(fact: &Fact) -> Vec<Move> {
    match fact {
        Fact::CampaignFunded { campaign, budget } => flows::fund_house_campaign(*campaign, *budget),
        Fact::WatchRewarded { user, campaign, price, reward, .. } => flows::reward_view(&View {
            user: *user,
            campaign: *campaign,
            price: *price,
            reward: *reward,
        }),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use medusa_ledger::{Account, Amount, Book, Bucket, Currency, Refusal, Standing};
    use medusa_types::{CampaignId, Credits, Timestamp, UserId, Uuid, WatchId};

    use super::*;

    const USER: UserId = UserId(Uuid::from_u128(7));
    const CAMPAIGN: CampaignId = CampaignId(Uuid::from_u128(1));

    fn rewarded(price: i64, reward: i64) -> Fact {
        Fact::WatchRewarded {
            watch: WatchId(Uuid::from_u128(1)),
            user: USER,
            campaign: CAMPAIGN,
            price: Credits::from_micros(price),
            reward: Credits::from_micros(reward),
        }
    }

    #[test]
    fn a_view_takes_its_whole_price_from_the_reserve_and_no_more_than_there_is() {
        let reserve = Account::campaign_reserve(CAMPAIGN);
        let standing = Standing { posted: Amount::new(125), ..Standing::default() };
        let book = Book::load([(reserve, standing)], []);
        let short = Refusal::Short {
            currency: Currency::Crd,
            has: Amount::new(125),
            due: Amount::new(126),
        };
        for (price, reward, expected) in [
            (125, 100, Ok((0, 100, 25))),
            (100, 100, Ok((25, 100, 0))),
            (125, 126, Err(Refusal::Negative)),
            (126, 100, Err(short)),
        ] {
            let mut draft = book.draft();
            let posted = draft.post(&moves(&rewarded(price, reward)), Timestamp::default());
            let found = posted.map(|_| {
                let units = |account| draft.balance(&account).units();
                (
                    units(reserve),
                    units(Account::wallet(Bucket::Ad, USER)),
                    units(Account::ad_margin()),
                )
            });
            assert_eq!(found, expected, "{price} of which {reward}");
        }
    }

    #[test]
    fn a_campaign_of_the_house_is_a_gift_of_the_house() {
        let mut book = Book::default();
        let funded = Fact::CampaignFunded { campaign: CAMPAIGN, budget: Credits::from_micros(9) };
        let mut draft = book.draft();
        draft.post(&moves(&funded), Timestamp::default()).unwrap();
        let changed = draft.into_changed();
        book.keep(changed);
        assert_eq!(book.balance(&Account::campaign_reserve(CAMPAIGN)), Amount::new(9));
        assert_eq!(book.balance(&Account::promo_grant()), Amount::new(-9));
    }
}
