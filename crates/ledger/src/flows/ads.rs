//! Ads: budgets, views, and the credits that come from watching (flows 3 to 5 and 21).

use medusa_types::{CampaignId, Credits, PendingId, Timestamp, UserId};

use crate::{Account, Bucket, Class, Move};

/// Flow 3. Gives `amount` of what an advertiser has paid in to a campaign.
#[must_use]
pub fn fund_campaign(advertiser: UserId, campaign: CampaignId, amount: Credits) -> Vec<Move> {
    let (from, to) = (Account::advertiser(advertiser), Account::campaign_reserve(campaign));
    vec![Move::pay(from, to, amount)]
}

/// Flow 3, by the house: a campaign of its own gets `amount` as a gift.
#[must_use]
pub fn fund_house_campaign(campaign: CampaignId, amount: Credits) -> Vec<Move> {
    vec![Move::pay(Account::promo_grant(), Account::campaign_reserve(campaign), amount)]
}

/// Flow 3, back. Returns `amount` of a campaign's budget to its advertiser; all of it without,
/// except for what running views have reserved.
#[must_use]
pub fn release_campaign(
    campaign: CampaignId,
    advertiser: UserId,
    amount: Option<Credits>,
) -> Vec<Move> {
    let (from, to) = (Account::campaign_reserve(campaign), Account::advertiser(advertiser));
    vec![amount.map_or(Move::Rest { from, to }, |amount| Move::pay(from, to, amount))]
}

/// One view of an ad, and what it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Who watches.
    pub user: UserId,
    /// Who pays.
    pub campaign: CampaignId,
    /// What the campaign pays, in credits.
    pub price: Credits,
    /// The viewer's part of it, in ad credits. More than the price is refused as a negative amount.
    pub reward: Credits,
}

impl View {
    /// Who gets which part of the price: what the viewer does not get is the platform's.
    fn parts(&self) -> [(Account, Credits); 2] {
        let margin = self.price.checked_sub(self.reward);
        // Out of range only below nothing, where every amount is refused alike.
        let margin = margin.unwrap_or(Credits::from_micros(i64::MIN));
        [(Account::wallet(Bucket::Ad, self.user), self.reward), (Account::ad_margin(), margin)]
    }
}

/// The two reservations of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewIds {
    /// Of the viewer's part.
    pub reward: PendingId,
    /// Of the platform's part.
    pub margin: PendingId,
}

/// Flow 4, start. Sets the price of a view aside in the campaign's budget, until the view is proven
/// or `expires_at` has come.
#[must_use]
pub fn start_view(view: &View, ids: ViewIds, expires_at: Timestamp) -> Vec<Move> {
    let from = Account::campaign_reserve(view.campaign);
    let reserve = |(pending, (to, amount)): (PendingId, (Account, Credits))| Move::Reserve {
        pending,
        from,
        to,
        amount: amount.into(),
        expires_at: Some(expires_at),
    };
    [ids.reward, ids.margin].into_iter().zip(view.parts()).map(reserve).collect()
}

/// Flow 4, end. The view was proven: viewer and platform get what was set aside.
#[must_use]
pub fn prove_view(ids: ViewIds) -> Vec<Move> {
    [ids.reward, ids.margin].map(|pending| Move::Post { pending, amount: None }).to_vec()
}

/// Flow 4, end. The view was broken off or is not believed: the budget is as before.
#[must_use]
pub fn void_view(ids: ViewIds) -> Vec<Move> {
    [ids.reward, ids.margin].map(|pending| Move::Void { pending }).to_vec()
}

/// Flow 4 in one step, for a view that is proven and had nothing set aside.
#[must_use]
pub fn reward_view(view: &View) -> Vec<Move> {
    vec![Move::Split {
        from: vec![Account::campaign_reserve(view.campaign)],
        to: view.parts().map(|(account, amount)| (account, amount.into())).to_vec(),
    }]
}

/// Flow 5. A rewarded view turns out to be fraud: the campaign gets the whole price back. What the
/// viewer has spent of the reward, the house pays; a frozen account is no obstacle.
#[must_use]
pub fn reverse_view(view: &View) -> Vec<Move> {
    let to = Account::campaign_reserve(view.campaign);
    let [(wallet, reward), (platform, margin)] = view.parts();
    let pairs = vec![(wallet, to), (Account::global(Class::ExpenseFraudLoss), to)];
    vec![
        Move::Forced(vec![Move::Waterfall { pairs, amount: reward.into() }]),
        Move::pay(platform, to, margin),
    ]
}

/// Flow 21. `amount` of a person's ad credits has expired. The caller keeps the lots and takes the
/// oldest first.
#[must_use]
pub fn expire_ad_credits(user: UserId, amount: Credits) -> Vec<Move> {
    let breakage = Account::global(Class::IncomeBreakage);
    vec![Move::pay(Account::wallet(Bucket::Ad, user), breakage, amount)]
}
