//! What can happen to campaigns and those who watch them.
//!
//! A listing, which the next one goes on with: one enum of all of them stands at the end.

macro_rules! ads {
    ({ $($before:tt)* } $next:ident $($rest:ident)*) => { $next! { { $($before)*
    /// An ad campaign got its budget.
    CampaignFunded "ads.campaign_funded" {
        /// The campaign.
        campaign: CampaignId,
        /// How much.
        budget: Credits,
    }
    /// A view of an ad was proven, and the campaign paid for it.
    WatchRewarded "ads.watch_rewarded" {
        /// The view.
        watch: WatchId,
        /// Who watched.
        user: UserId,
        /// The campaign.
        campaign: CampaignId,
        /// What the campaign paid.
        price: Credits,
        /// The viewer's part of it, in ad credits.
        reward: Credits,
    }
    } $($rest)* } };
}
