//! Tickets: addresses that let somebody do one thing for a while, without a look-up: an agent read
//! a blob, a client drive a session. `…?until=<seconds>&sig=<hmac>`; the signature covers verb,
//! subject, bearer and end.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use medusa_types::Timestamp;
use sha2::Sha256;

/// Signs and checks tickets with a key that all server processes share.
#[derive(Clone)]
pub struct Tickets {
    key: [u8; 32],
}

/// The query part of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct TicketQuery {
    /// Seconds since 1970 at which it ends.
    pub until: i64,
    /// The signature.
    pub sig: String,
}

impl Tickets {
    /// With this key.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    fn mac(
        &self,
        verb: &str,
        subject: &str,
        bearer: impl fmt::Display,
        until: i64,
    ) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(format!("{verb}\n{subject}\n{bearer}\n{until}").as_bytes());
        Some(mac)
    }

    /// The query that lets `bearer` use `verb` on `subject` until then.
    #[must_use]
    pub fn issue(
        &self,
        verb: &str,
        subject: &str,
        bearer: impl fmt::Display,
        until: Timestamp,
    ) -> String {
        let until = until.to_utc().unix_timestamp();
        let mac = self.mac(verb, subject, bearer, until);
        let sig = mac.map(|m| URL_SAFE_NO_PAD.encode(m.finalize().into_bytes()));
        format!("until={until}&sig={}", sig.unwrap_or_default())
    }

    /// Whether the query lets `bearer` use `verb` on `subject` now.
    #[must_use]
    pub fn check(
        &self,
        verb: &str,
        subject: &str,
        bearer: impl fmt::Display,
        query: &TicketQuery,
        now: Timestamp,
    ) -> bool {
        let Ok(sig) = URL_SAFE_NO_PAD.decode(&query.sig) else { return false };
        let fresh = now.to_utc().unix_timestamp() < query.until;
        let mac = self.mac(verb, subject, bearer, query.until);
        fresh && mac.is_some_and(|m| m.verify_slice(&sig).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::{AgentId, Uuid};

    use super::*;

    #[test]
    fn a_ticket_is_for_one_verb_subject_agent_and_time() {
        let tickets = Tickets::new([1; 32]);
        let (one, two) = (AgentId(Uuid::from_u128(1)), AgentId(Uuid::from_u128(2)));
        let now = Timestamp::from_micros(0);
        let text = tickets.issue("get", "ab", one, now.plus_ms(10_000));
        let (until, sig) = text.split_once("&sig=").unwrap();
        let until = until.strip_prefix("until=").unwrap().parse().unwrap();
        let query = TicketQuery { until, sig: sig.to_owned() };
        assert!(tickets.check("get", "ab", one, &query, now));
        assert!(!tickets.check("put", "ab", one, &query, now));
        assert!(!tickets.check("get", "cd", one, &query, now));
        assert!(!tickets.check("get", "ab", two, &query, now));
        assert!(!tickets.check("get", "ab", one, &query, now.plus_ms(11_000)));
        let later = TicketQuery { until: query.until + 1, ..query };
        assert!(!tickets.check("get", "ab", one, &later, now));
    }
}
