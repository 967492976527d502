//! Being offered an ad, and being paid for having watched it. Both can be repeated without harm:
//! an open offer is given again, and a claim pays once.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use medusa_api::Problem;
use medusa_platform::{ApiError, Principal};
use medusa_types::WatchId;

use crate::{AdOffer, AdReward, Ads};

/// An ad to watch.
#[utoipa::path(post, path = "/v1/ads/offers", tag = "ads", responses(
    (status = 201, description = "the card to show", body = AdOffer),
    (status = 401, description = "platform.unauthenticated", body = Problem),
    (status = 409, description = "ads.cap_reached, ads.none_left", body = Problem),
))]
pub(super) async fn offer(ads: Data<Ads>, who: Principal) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(ads.offer(who.user).await?))
}

/// The reward for an ad that was shown for its `seconds`.
#[utoipa::path(post, path = "/v1/ads/offers/{id}/claim", tag = "ads",
    params(("id" = String, Path, description = "the offer")),
    responses(
        (status = 200, description = "what was paid", body = AdReward),
        (status = 401, description = "platform.unauthenticated", body = Problem),
        (status = 404, description = "platform.not_found", body = Problem),
        (status = 409, description = "ads.too_early, ads.offer_ended, ads.cap_reached, \
            ads.none_left", body = Problem),
    )
)]
pub(super) async fn claim(
    ads: Data<Ads>,
    who: Principal,
    id: Path<WatchId>,
) -> Result<Json<AdReward>, ApiError> {
    Ok(Json(ads.claim(who.user, *id).await?))
}
