//! The orders that this service accepts, behind one cheap handle.

use std::sync::Arc;

use medusa_eventlog::{Appended, EventLog, NewEvent, Operation};
use medusa_events::Fact;
use medusa_ledger::Account;
use medusa_platform::{Clock, Random};
use medusa_types::{CampaignId, Credits, Sha256Hash, UserId, WatchId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::AdsConfig;
use crate::domain::{DAY_MS, check_time, moves, views_left};
use crate::error::AdsError;
use crate::store::reserve;
use crate::store::watches::{self, Watch};

/// Answer to `POST /v1/ads/offers`: a card to show, and what watching it pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AdOffer {
    /// To be claimed.
    #[schema(value_type = String)]
    pub offer: WatchId,
    /// The card's first line.
    pub title: String,
    /// The card's text.
    pub body: String,
    /// Where the card leads.
    pub link: String,
    /// How long to show it from the offer on, before claiming.
    pub seconds: u32,
    /// Ad credits for watching.
    pub reward: Credits,
    /// Views that are paid to this person within 24 hours, this one included.
    pub left_today: u32,
}

/// Answer to `POST /v1/ads/offers/{id}/claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AdReward {
    /// Ad credits that were paid.
    pub reward: Credits,
    /// The event that paid them.
    pub position: i64,
}

/// The ads service. Cheap to clone.
#[derive(Clone)]
pub struct Ads(Arc<Inner>);

struct Inner {
    config: AdsConfig,
    log: EventLog,
    clock: Clock,
    random: Random,
}

impl Ads {
    /// The service over this log. Funds the campaign of the house, the first time only.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn start(
        config: AdsConfig,
        log: EventLog,
        clock: Clock,
        random: Random,
    ) -> Result<Self, AdsError> {
        let ads = Self(Arc::new(Inner { config, log, clock, random }));
        let house = &ads.0.config.house;
        let fact = Fact::CampaignFunded { campaign: house.id, budget: house.budget };
        ads.append_once(format!("campaign:{}", house.id), house.id, None, fact).await?;
        Ok(ads)
    }

    /// Offers an ad. Somebody who has an open offer gets that one again, and its time begins anew:
    /// what counts is the last time that the card was shown from its beginning.
    ///
    /// # Errors
    /// [`AdsError::CapReached`] and [`AdsError::NoneLeft`].
    pub async fn offer(&self, user: UserId) -> Result<AdOffer, AdsError> {
        let AdsConfig { house, limits } = &self.0.config;
        let now = self.0.clock.now();
        self.0.log.books_current().await;
        let mut db = self.0.log.pool().begin().await?;
        let proven =
            watches::proven_times(&mut db, user, now.plus_ms(-DAY_MS), limits.views_per_day_max);
        let left_today = views_left(limits, &proven.await?, now)?;
        let reserve = Account::campaign_reserve(house.id);
        if reserve::balance(&mut db, &reserve).await? < house.price {
            return Err(AdsError::NoneLeft);
        }
        let new = Watch {
            id: WatchId(self.0.random.id()),
            user,
            campaign: house.id,
            price: house.price,
            reward: house.reward,
            offered_at: now,
            proven_at: None,
        };
        let (offer, reward) = watches::open(&mut db, &new).await?;
        db.commit().await?;
        Ok(AdOffer {
            offer,
            title: house.title.clone(),
            body: house.body.clone(),
            link: house.link.clone(),
            seconds: house.seconds,
            reward,
            left_today,
        })
    }

    /// Pays for a view that was watched to its end. Claiming again answers the same.
    ///
    /// # Errors
    /// [`AdsError::OfferUnknown`], [`AdsError::TooEarly`], [`AdsError::OfferEnded`] and
    /// [`AdsError::CapReached`]; after [`AdsError::NoneLeft`] the view stays proven, and a later
    /// claim pays it.
    pub async fn claim(&self, user: UserId, offer: WatchId) -> Result<AdReward, AdsError> {
        let Watch { campaign, price, reward, .. } = self.prove(user, offer).await?;
        let key = format!("watch:{offer}");
        let fact = Fact::WatchRewarded { watch: offer, user, campaign, price, reward };
        let appended = self.append_once(key, campaign, Some(user), fact).await?;
        Ok(AdReward { reward, position: appended.position })
    }

    /// Decides once whether a view counts, before it is paid: a payment that a crash cut off is
    /// made by the next claim, and counts against the cap in any case.
    async fn prove(&self, user: UserId, offer: WatchId) -> Result<Watch, AdsError> {
        let AdsConfig { house, limits } = &self.0.config;
        let now = self.0.clock.now();
        let mut db = self.0.log.pool().begin().await?;
        let found = watches::lock(&mut db, offer, user).await?;
        let watch = found.ok_or(AdsError::OfferUnknown)?;
        if watch.proven_at.is_some() {
            return Ok(watch);
        }
        check_time(limits, house.seconds, watch.offered_at, now)?;
        // Again, because an offer can be made while the one before is being claimed.
        let proven =
            watches::proven_times(&mut db, user, now.plus_ms(-DAY_MS), limits.views_per_day_max);
        views_left(limits, &proven.await?, now)?;
        watches::prove(&mut db, offer, now).await?;
        db.commit().await?;
        Ok(watch)
    }

    /// Appends a fact of a campaign once, however often it is called with this key, which says all
    /// about it.
    async fn append_once(
        &self,
        key: String,
        campaign: CampaignId,
        actor: Option<UserId>,
        fact: Fact,
    ) -> Result<Appended, AdsError> {
        let request = Sha256Hash::of(key.as_bytes());
        let moves = moves(&fact);
        let mut event = NewEvent::new(format!("campaign-{campaign}"), fact).moving(moves);
        event.actor = actor;
        let operation = Operation::house(key, request);
        Ok(self.0.log.append_one(Some(operation), event).await?)
    }
}
