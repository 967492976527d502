//! What people are told, and how a delivery is signed and tried again: as Standard Webhooks says
//! (version 1 of its specification, symmetric signatures).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use medusa_events::{EndState, Envelope, Fact};
use medusa_types::{NoticeId, Timestamp, UserId};
use serde_json::json;
use sha2::Sha256;

/// Seconds between the tries of a delivery: about three days in all.
const PAUSES_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) owner: UserId,
    /// Like `job.done`.
    pub(crate) kind: &'static str,
    /// A JSON document.
    pub(crate) body: String,
}

/// What an event is told as, if anybody is told.
pub(crate) fn news(event: &Envelope) -> Option<News> {
    let Fact::JobEnded { job, owner, state, code, .. } = &event.fact else { return None };
    let kind = match state {
        EndState::Done => "job.done",
        EndState::Failed => "job.failed",
        EndState::Cancelled => "job.cancelled",
    };
    let data = json!({ "job": job, "code": code, "position": event.position });
    Some(News { owner: *owner, kind, body: document(kind, event.at, &data) })
}

/// The news of a delivery that somebody asked for, to see whether it arrives.
pub(crate) fn test_news(owner: UserId, now: Timestamp) -> News {
    let kind = "webhook.test";
    News { owner, kind, body: document(kind, now, &json!({})) }
}

fn document(kind: &str, at: Timestamp, data: &serde_json::Value) -> String {
    json!({ "type": kind, "timestamp": at.to_string(), "data": data }).to_string()
}

/// The secret of a webhook as its owner gets it.
pub(crate) fn secret_text(secret: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// The header `webhook-signature`; `seconds` is the header `webhook-timestamp`.
pub(crate) fn signature(secret: &[u8], id: NoticeId, seconds: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    // A key of any length will do.
    format!("v1,{}", mac.unwrap_or_default())
}

/// When to try again after so many tries; none when it is given up.
pub(crate) fn next_try(tries: u32, now: Timestamp) -> Option<Timestamp> {
    let pause = PAUSES_S.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
    Some(now.plus_ms(pause.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_signed_as_the_specification_computes_it() {
        let id = NoticeId(medusa_types::Uuid::from_u128(5));
        let ours = signature(b"0123456789abcdef0123456789abcdef", id, 1_700_000_000, "{}");
        let text = format!("{id}.1700000000.{{}}");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"0123456789abcdef0123456789abcdef").unwrap();
        mac.update(text.as_bytes());
        let tag = STANDARD.decode(ours.strip_prefix("v1,").unwrap()).unwrap();
        assert!(mac.verify_slice(&tag).is_ok());
        assert_ne!(ours, signature(b"0123456789abcdef0123456789abcdef", id, 1_700_000_001, "{}"));
        assert_eq!(secret_text(&[0; 32]), format!("whsec_{}=", "A".repeat(43)));
    }

    #[test]
    fn tries_get_rarer_and_end() {
        let now = Timestamp::from_micros(0);
        let pauses: Vec<i64> =
            (1..20).map_while(|n| next_try(n, now)).map(|at| at.ms_since(now)).collect();
        assert_eq!(pauses.len(), 9);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(pauses.iter().sum::<i64>() > 3 * 24 * 3_600_000 - 3_600_000);
    }
}
