//! Where clients and agents come in: the handshake of their WebSockets, and the ticket that says
//! who they are.

use medusa_platform::ticket::TicketQuery;
use medusa_protocol::{PART_BYTES, SESSION_HEAD_BYTES, SESSION_SUBPROTOCOL};
use medusa_types::{AgentId, LeaseId, SessionId};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::outlet::Socket;

/// What a message has at most; the payload of text is small.
const MESSAGE_BYTES_MAX: usize = PART_BYTES + SESSION_HEAD_BYTES;

/// Who came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visitor {
    /// The consumer's client.
    Client,
    /// An agent, for this seat.
    Seat(LeaseId, AgentId),
}

/// Decides who may come in.
pub(crate) trait Porter: Send + Sync {
    /// Whether this ticket lets somebody drive the session.
    fn may_drive(&self, session: SessionId, ticket: &TicketQuery) -> bool;
    /// Whether it lets the agent take its seat.
    fn may_sit(&self, lease: LeaseId, agent: AgentId, ticket: &TicketQuery) -> bool;
}

/// Shakes hands.
pub(super) async fn enter(
    stream: TcpStream,
    porter: &dyn Porter,
    knows: impl Fn(&SessionId) -> bool,
) -> Option<(SessionId, Visitor, Socket)> {
    stream.set_nodelay(true).ok()?;
    let mut found = None;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        // Whatever is sent is flushed right after.
        .write_buffer_size(0);
    #[expect(clippy::result_large_err, reason = "the handshake wants this type")]
    let check = |request: &Request, response: Response| {
        // A client is told what became of its session; an agent has nothing to do here.
        found = visitor(request.uri(), porter)
            .filter(|(session, visitor)| *visitor == Visitor::Client || knows(session));
        let offers = request.headers().get_all("Sec-WebSocket-Protocol").iter();
        let mut names = offers.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        if found.is_none() || !names.any(|name| name.trim() == SESSION_SUBPROTOCOL) {
            found = None;
            return Err(refusal());
        }
        let mut response = response;
        let spoken = HeaderValue::from_static(SESSION_SUBPROTOCOL);
        response.headers_mut().insert("Sec-WebSocket-Protocol", spoken);
        Ok(response)
    };
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config));
    let socket = accepted.await.ok()?;
    let (session, visitor) = found?;
    Some((session, visitor, socket))
}

fn refusal() -> ErrorResponse {
    let words = "no such session, or the ticket is not good any more: ask for the session again";
    let mut refusal = ErrorResponse::new(Some(words.to_owned()));
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    refusal
}

/// Who asks for `/v1/sessions/ses_…/drive?…` or `/v1/sessions/ses_…/seat?…`.
fn visitor(uri: &Uri, porter: &dyn Porter) -> Option<(SessionId, Visitor)> {
    let rest = uri.path().strip_prefix("/v1/sessions/")?;
    let (session, role) = rest.split_once('/')?;
    let session = session.parse().ok()?;
    let of = |name: &str| {
        let mut pairs = uri.query().unwrap_or_default().split('&');
        pairs.find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
    };
    let ticket = TicketQuery { until: of("until")?.1.parse().ok()?, sig: of("sig")?.1.to_owned() };
    match role {
        "drive" => porter.may_drive(session, &ticket).then_some((session, Visitor::Client)),
        "seat" => {
            let (lease, agent) = (of("lease")?.1.parse().ok()?, of("agent")?.1.parse().ok()?);
            let may = porter.may_sit(lease, agent, &ticket);
            may.then_some((session, Visitor::Seat(lease, agent)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    struct Open;

    impl Porter for Open {
        fn may_drive(&self, _: SessionId, ticket: &TicketQuery) -> bool {
            ticket.sig == "good"
        }

        fn may_sit(&self, _: LeaseId, _: AgentId, ticket: &TicketQuery) -> bool {
            ticket.sig == "good"
        }
    }

    #[test]
    fn only_whole_addresses_with_a_good_ticket_lead_in() {
        let session = SessionId(Uuid::from_u128(5));
        let (lease, agent) = (LeaseId(Uuid::from_u128(6)), AgentId(Uuid::from_u128(7)));
        let of = |tail: &str| {
            let uri = format!("/v1/sessions/{session}/{tail}").parse().unwrap();
            visitor(&uri, &Open)
        };
        assert_eq!(of("drive?until=1&sig=good"), Some((session, Visitor::Client)));
        let seat = format!("seat?lease={lease}&agent={agent}&until=1&sig=good");
        assert_eq!(of(&seat), Some((session, Visitor::Seat(lease, agent))));
        for bad in
            ["drive", "drive?until=1&sig=bad", "drive?until=x&sig=good", "other?until=1&sig=good"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(of(&seat.replace("lse_", "")), None);
        assert_eq!(visitor(&"/v1/jobs/x".parse().unwrap(), &Open), None);
    }
}
