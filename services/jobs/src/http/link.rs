//! The WebSocket of an agent: frames in to its actor, frames out from a bounded outbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Actor as _;
use actix_web::{HttpRequest, HttpResponse, get, rt, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason};
use futures_util::StreamExt as _;
use medusa_api::Problem;
use medusa_platform::{AgentPrincipal, ApiError};
use medusa_protocol::{Frame, FrameError, MAX_FRAME_BYTES, Message, SUBPROTOCOL};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::actor::{Inbound, Outbound, Signed, WorkerActor, WorkerConfig};
use crate::command::Jobs;

/// Frames that wait for an agent that reads slowly.
const OUTBOX_MAX: usize = 512;
/// The close code that tells an agent that its owner removed it.
const REMOVED: u16 = 4_001;
/// Seconds after which an agent finds another process here.
const COME_AGAIN_S: u64 = 2;
/// Pulses that an agent may send at once, and how many more it may send in each second. One that
/// keeps to the protocol sends one when something changes, and looks for that each second.
const PULSES_MAX: u32 = 120;
const PULSES_A_SECOND: u32 = 20;
/// How long one frame may take to be written.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// Connects an agent: WebSocket, sub-protocol `medusa.agent.v1`, frames as in `docs/protocol.md`.
#[utoipa::path(tag = "agents", responses((status = 101), (status = 401, body = Problem)))]
#[get("/v1/agent/link")]
pub(crate) async fn link(
    jobs: web::Data<Jobs>,
    who: AgentPrincipal,
    req: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let spoken = req.headers().get("Sec-WebSocket-Protocol").and_then(|v| v.to_str().ok());
    if !spoken.is_some_and(|list| list.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        let detail = format!("this server speaks {SUBPROTOCOL}; update the agent");
        return Err(ApiError::new(400, "jobs.protocol_unknown", "unknown protocol", detail).into());
    }
    if jobs.leaving.is_cancelled() {
        return Err(ApiError::busy(COME_AGAIN_S).into());
    }
    let address = req.peer_addr().map(|peer| peer.ip());
    let machine = jobs.parts.agents.machine(who.agent).await?;
    let removed = || {
        let detail = "this machine was removed by its owner; enrol it again";
        ApiError::new(401, "platform.unauthenticated", "not logged in", detail)
    };
    let machine = machine.ok_or_else(removed)?;
    let ties = jobs.ties(who.owner, address).await.map_err(ApiError::from)?;
    let (answer, session, stream) = actix_ws::handle_with_protocols(&req, body, &[SUBPROTOCOL])?;
    let stream = stream
        .max_frame_size(MAX_FRAME_BYTES)
        .aggregate_continuations()
        .max_continuation_size(MAX_FRAME_BYTES);
    let (outbox, frames) = mpsc::channel(OUTBOX_MAX);
    let config = WorkerConfig {
        agent: who.agent,
        lender: who.owner,
        name: machine.name,
        ties,
        remote: machine.limits,
        signs: machine.public_key.is_some(),
        outbox,
        scheduler: jobs.scheduler.clone(),
        blobs: jobs.parts.blobs.clone(),
        tickets: Arc::clone(&jobs.parts.tickets),
        clock: jobs.parts.clock.clone(),
    };
    let actor = WorkerActor::start_in_arbiter(&jobs.arbiter(), |_| WorkerActor::new(config));
    #[expect(clippy::disallowed_methods, reason = "it ends with the connection, on its thread")]
    drop(rt::spawn(pump(
        (session, stream),
        frames,
        (actor, machine.public_key),
        jobs.leaving.clone(),
    )));
    Ok(answer)
}

/// How many pulses an agent may send now. Each goes to the scheduler, which all agents share.
struct Pulses {
    left: u32,
    counted_at: Instant,
}

impl Pulses {
    const fn begin(now: Instant) -> Self {
        Self { left: PULSES_MAX, counted_at: now }
    }

    /// Counts one; whether it may be sent.
    fn take(&mut self, now: Instant) -> bool {
        let seconds = now.duration_since(self.counted_at).as_secs();
        if seconds > 0 {
            let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(PULSES_A_SECOND);
            self.left = self.left.saturating_add(more).min(PULSES_MAX);
            self.counted_at = now;
        }
        let is_there = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_there
    }
}

/// Moves frames both ways until one side ends; then the other ends too.
async fn pump(
    (mut session, mut stream): (actix_ws::Session, actix_ws::AggregatedMessageStream),
    mut frames: mpsc::Receiver<Outbound>,
    (actor, public_key): (actix::Addr<WorkerActor>, Option<[u8; 32]>),
    leaving: CancellationToken,
) {
    let mut reason = None;
    let mut pulses = Pulses::begin(Instant::now());
    loop {
        tokio::select! {
            () = leaving.cancelled() => {
                let description = Some("another process serves this address now".to_owned());
                reason = Some(CloseReason { code: CloseCode::Restart, description });
                break;
            }
            frame = frames.recv() => {
                let frame = match frame {
                    Some(Outbound::Frame(frame)) => frame,
                    Some(Outbound::Removed) => {
                        let description = Some("this machine was removed by its owner".to_owned());
                        reason = Some(CloseReason { code: CloseCode::Other(REMOVED), description });
                        break;
                    }
                    None => break,
                };
                let written = tokio::time::timeout(WRITE_MAX, session.binary(frame)).await;
                if !matches!(written, Ok(Ok(()))) {
                    break;
                }
            }
            message = stream.next() => match message {
                Some(Ok(AggregatedMessage::Binary(bytes))) => match Frame::decode(&bytes) {
                    Ok(Frame { message: Message::Pulse(_), .. }) if !pulses.take(Instant::now()) => {
                        let description = Some(format!(
                            "more than {PULSES_A_SECOND} pulses a second: send one when something \
                             changes"
                        ));
                        reason = Some(CloseReason { code: CloseCode::Policy, description });
                        break;
                    }
                    Ok(frame) => {
                        // Here and not in the actor, whose thread all agents share.
                        let signed = Signed::of(&frame.message, public_key);
                        if actor.send(Inbound { frame, signed }).await.is_err() {
                            break;
                        }
                    }
                    // A newer agent may say more than this version understands.
                    Err(FrameError::Kind(kind)) => {
                        tracing::debug!(kind, "a frame of an unknown kind was ignored");
                    }
                    Err(error) => {
                        let description = Some(error.to_string());
                        reason = Some(CloseReason { code: CloseCode::Protocol, description });
                        break;
                    }
                },
                Some(Ok(AggregatedMessage::Ping(bytes))) => {
                    if session.pong(&bytes).await.is_err() {
                        break;
                    }
                }
                Some(Ok(AggregatedMessage::Pong(_))) => {}
                _ => break,
            },
        }
    }
    if let Err(error) = session.close(reason).await {
        tracing::debug!(%error, "an agent's connection was closed already");
    }
    if actor.try_send(crate::actor::Hangup).is_err() {
        tracing::debug!("an agent's actor was gone already");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_pulses_ends_and_a_burst_does_not() {
        let began = Instant::now();
        let mut pulses = Pulses::begin(began);
        let at = |ms| began + Duration::from_millis(ms);
        assert!((0..120).all(|_| pulses.take(at(0))), "what changes at once is told at once");
        assert!(!pulses.take(at(999)));
        assert!((0..20).all(|_| pulses.take(at(1_000))) && !pulses.take(at(1_000)));
        assert!((0..120).all(|_| pulses.take(at(3_600_000))) && !pulses.take(at(3_600_000)));
    }
}
