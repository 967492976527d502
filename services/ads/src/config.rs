//! What can be set about ads: the house's own campaign, and every limit.

use medusa_types::{CampaignId, Credits, Uuid};

/// Typed settings, with the defaults of a small installation.
#[derive(Clone, Debug)]
pub struct AdsConfig {
    /// The campaign of the house.
    pub house: Campaign,
    /// How often and how long.
    pub limits: AdsLimits,
}

/// A text card, and what showing it costs and pays.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Names its account and its stream, so it stays for ever.
    pub id: CampaignId,
    /// The card's first line.
    pub title: String,
    /// The card's text.
    pub body: String,
    /// Where the card leads.
    pub link: String,
    /// Put into the reserve once; a later change of this figure does nothing.
    pub budget: Credits,
    /// What a view costs the campaign.
    pub price: Credits,
    /// The viewer's part of the price, at most all of it.
    pub reward: Credits,
    /// How long the card is shown.
    pub seconds: u32,
}

/// How often a person can watch, and how long an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdsLimits {
    /// Paid views of a person within any 24 hours.
    pub views_per_day_max: u32,
    /// How long an offer can be claimed; longer than any card is shown.
    pub offer_ms: i64,
}

impl Default for AdsConfig {
    fn default() -> Self {
        let house = Campaign {
            id: CampaignId(Uuid::from_u128(1)),
            title: "Medusa itself".to_owned(),
            body: "Your computer can earn while you are away. Lend its idle cores: the agent \
                   starts paused, runs other people's programs behind walls, and every credit it \
                   earns is in a log that anybody can check."
                .to_owned(),
            link: "/app/lend".to_owned(),
            budget: Credits::from_micros(1_000_000_000),
            price: Credits::from_micros(1_250_000),
            reward: Credits::from_micros(1_000_000),
            seconds: 15,
        };
        let limits = AdsLimits { views_per_day_max: 5, offer_ms: 10 * 60_000 };
        Self { house, limits }
    }
}
