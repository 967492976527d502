//! What a standby tells the writer about a request that it forwards: whose address it came from.
//! The note is signed with a key that the processes share and clients do not have, so nobody can
//! give himself another address; without a good note the address is that of the connection.

use std::net::SocketAddr;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::Data;
use medusa_platform::Clock;
use medusa_platform::ticket::{TicketQuery, Tickets};
use medusa_types::{AgentId, Uuid};

/// The header that carries the note.
pub(crate) const HEADER: &str = "x-medusa-forwarded";
/// Name of the key that notes are signed with.
pub(crate) const FORWARD_KEY: &str = "forward.key";
/// How long a note holds; clocks of two machines may differ by nearly as much.
const HOLDS_MS: i64 = 60_000;
/// What a note is a ticket for.
const VERB: &str = "forward";
/// Notes are of processes, not of agents.
const NO_AGENT: AgentId = AgentId(Uuid::nil());

/// Writes and reads notes.
#[derive(Clone)]
pub(crate) struct Notes {
    tickets: Tickets,
    clock: Clock,
}

impl Notes {
    /// With the key that all processes of this house share.
    pub(crate) const fn new(key: [u8; 32], clock: Clock) -> Self {
        Self { tickets: Tickets::new(key), clock }
    }

    /// The note about a client of this address.
    pub(crate) fn write(&self, client: SocketAddr) -> String {
        let until = self.clock.now().plus_ms(HOLDS_MS);
        let ticket = self.tickets.issue(VERB, &client.to_string(), NO_AGENT, until);
        format!("for={client}&{ticket}")
    }

    /// The client that these headers have a good note about.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<SocketAddr> {
        let (client, ticket) = headers.get(HEADER)?.to_str().ok()?.split_once('&')?;
        let client: SocketAddr = client.strip_prefix("for=")?.parse().ok()?;
        let (until, sig) = ticket.split_once('&')?;
        let until = until.strip_prefix("until=")?.parse().ok()?;
        let query = TicketQuery { until, sig: sig.strip_prefix("sig=")?.to_owned() };
        let now = self.clock.now();
        let good = self.tickets.check(VERB, &client.to_string(), NO_AGENT, &query, now);
        good.then_some(client)
    }
}

/// Gives a forwarded request the address of its client. Nothing after this sees the note.
pub(crate) async fn believe(
    mut req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let client = req.app_data::<Data<Notes>>().and_then(|notes| notes.read(req.headers()));
    if client.is_some() {
        req.head_mut().peer_addr = client;
    }
    req.headers_mut().remove(HEADER);
    next.call(req).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use actix_web::http::header::{HeaderName, HeaderValue};
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::web::to;
    use actix_web::{App, HttpRequest};
    use medusa_types::Timestamp;

    use super::*;

    fn headers(note: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(HEADER), HeaderValue::from_str(note).unwrap());
        headers
    }

    #[actix_web::test]
    async fn a_request_has_the_address_of_its_client_and_no_note_any_more() {
        let notes = Notes::new([1; 32], Clock::system());
        let seen = async |req: HttpRequest| {
            assert!(!req.headers().contains_key(HEADER));
            req.peer_addr().map_or_else(String::new, |peer| peer.to_string())
        };
        let app = App::new().app_data(Data::new(notes.clone())).wrap(from_fn(believe));
        let app = init_service(app.default_service(to(seen))).await;
        let client = "198.51.100.7:4242".parse().unwrap();
        let (good, own) = (notes.write(client), "127.0.0.1:1");
        let bad = Notes::new([2; 32], Clock::system()).write(client);
        for (note, expected) in [(good.as_str(), "198.51.100.7:4242"), (&bad, own), ("x", own)] {
            let req = TestRequest::get().peer_addr(own.parse().unwrap());
            let req = req.insert_header((HEADER, note)).to_request();
            let answer = call_and_read_body(&app, req).await;
            assert_eq!(answer, expected, "{note}");
        }
    }

    #[test]
    fn only_who_has_the_key_says_where_a_request_came_from() {
        let (clock, micros) = Clock::manual(Timestamp::from_micros(1_000_000));
        let ours = Notes::new([1; 32], clock.clone());
        let theirs = Notes::new([2; 32], clock.clone());
        let client: SocketAddr = "198.51.100.7:4242".parse().unwrap();
        let note = ours.write(client);
        assert_eq!(ours.read(&headers(&note)), Some(client));
        assert_eq!(ours.read(&headers(&theirs.write(client))), None);
        let other = note.replace("198.51.100.7", "198.51.100.8");
        assert_eq!(ours.read(&headers(&other)), None, "{other}");
        for wrong in ["", "for=198.51.100.7:4242", "for=&until=9&sig=", "198.51.100.7"] {
            assert_eq!(ours.read(&headers(wrong)), None, "{wrong}");
        }
        assert_eq!(ours.read(&HeaderMap::new()), None);
        let v6: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        assert_eq!(ours.read(&headers(&ours.write(v6))), Some(v6));
        micros.fetch_add(HOLDS_MS * 1_000, Ordering::Relaxed);
        assert_eq!(ours.read(&headers(&note)), None, "it is too old");
    }
}
