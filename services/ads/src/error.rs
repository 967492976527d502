//! Why ads refuse, and how it leaves over HTTP.

use medusa_eventlog::AppendError;
use medusa_ledger::Refusal;
use medusa_platform::ApiError;

/// A situation that a caller can act on.
#[derive(Debug, thiserror::Error)]
pub enum AdsError {
    /// Enough for a day.
    #[error("you have had all rewarded views of 24 hours; the next is free in {seconds} s")]
    CapReached {
        /// Until the oldest of them is a day ago.
        seconds: u64,
    },
    /// The budget is used up.
    #[error("no ad has budget left for another view; try again later")]
    NoneLeft,
    /// Not shown to the end.
    #[error("the ad is to be shown for {seconds} s more; then claim it again")]
    TooEarly {
        /// How much longer.
        seconds: u64,
    },
    /// Too late.
    #[error("this offer has ended; ask for a new one")]
    OfferEnded,
    /// Never there, replaced, or somebody else's.
    #[error("there is no such offer")]
    OfferUnknown,
    /// The log did not take the event.
    #[error("the log did not take the event")]
    Log(#[source] AppendError),
    /// The database failed.
    #[error("the views could not be read or written")]
    Store(#[from] sqlx::Error),
}

impl From<AppendError> for AdsError {
    fn from(error: AppendError) -> Self {
        match error {
            // The only account that can be short here is a campaign's reserve.
            AppendError::Ledger(Refusal::Short { .. }) => Self::NoneLeft,
            other => Self::Log(other),
        }
    }
}

impl From<AdsError> for ApiError {
    fn from(error: AdsError) -> Self {
        let text = error.to_string();
        match error {
            AdsError::CapReached { seconds } => {
                let refusal = Self::new(409, "ads.cap_reached", "no more views for now", text);
                after(refusal, seconds)
            }
            AdsError::NoneLeft => Self::new(409, "ads.none_left", "no ad is left", text),
            AdsError::TooEarly { seconds } => {
                after(Self::new(409, "ads.too_early", "not shown long enough", text), seconds)
            }
            AdsError::OfferEnded => Self::new(409, "ads.offer_ended", "the offer has ended", text),
            AdsError::OfferUnknown => Self::not_found("offer"),
            AdsError::Log(source) => source.into(),
            AdsError::Store(source) => source.into(),
        }
    }
}

fn after(mut refusal: ApiError, seconds: u64) -> ApiError {
    refusal.0.retry_after = Some(seconds);
    refusal
}
