//! Live streams: `GET /v1/streams?topics=job:<id>,wallet,agents` as server-sent events.
//!
//! Every topic begins with what is there now, and again after anything was missed, so that a client
//! is right whatever it saw before; `Last-Event-ID` needs no memory here. A slow client is not
//! waited for: its queue is bounded, and what comes after a gap is a whole. A stream ends by itself
//! after some minutes, and the client that comes back proves again who it is.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Query, ServiceConfig};
use actix_web::{HttpResponse, get};
use futures_util::future::select_all;
use medusa_api::{AgentLive, AgentState, Job, JobLive, JobState, LiveEvent, Problem, Wallet};
use medusa_billing::Billing;
use medusa_billing::projection::live::KIND as WALLET;
use medusa_jobs::Jobs;
use medusa_jobs::projection::live::KIND as JOB;
use medusa_platform::live::{Heard, Hub, Listener, Seat};
use medusa_platform::{ApiError, Principal};
use medusa_types::{JobId, UserId};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use utoipa::OpenApi;

/// Streams of one person at the same time.
const STREAMS_MAX: usize = 10;
/// Topics of one stream.
const TOPICS_MAX: usize = 8;
/// A comment shows both ends that the line is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// As long as an access token.
const LIFE: Duration = Duration::from_secs(600);
/// A job that is this long silent is looked at: why does it wait, was anything lost?
const JOB_LOOK: Duration = Duration::from_secs(2);
/// The same for a wallet.
const WALLET_LOOK: Duration = Duration::from_secs(15);
/// Machines are looked at this often.
const AGENTS_LOOK: Duration = Duration::from_secs(2);

/// Registers the route.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(streams);
}

/// The route as an OpenAPI document.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(streams), components(schemas(LiveEvent)))]
struct Document;

#[derive(Deserialize, utoipa::IntoParams)]
struct StreamQuery {
    /// `job:<id>`, `wallet` and `agents`, joined by commas; at most eight.
    topics: String,
}

/// Jobs, wallet and machines as they change: server-sent events whose data is a `LiveEvent`.
#[utoipa::path(tag = "live", params(StreamQuery), responses(
    (status = 200, body = LiveEvent, content_type = "text/event-stream"),
    (status = 400, body = Problem), (status = 404, body = Problem)))]
#[get("/v1/streams")]
async fn streams(
    hub: Data<Hub>,
    jobs: Data<Jobs>,
    billing: Data<Billing>,
    who: Principal,
    query: Query<StreamQuery>,
) -> Result<HttpResponse, ApiError> {
    let topics = parse(&query.topics)?;
    let seat = hub.seat(who.user, STREAMS_MAX);
    let house = House { user: who.user, hub, jobs, billing };
    let mut feeds = Vec::with_capacity(topics.len());
    let mut ready = VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]);
    for topic in topics {
        let (feed, first) = Feed::open(&house, topic).await?;
        ready.push_back(frame(&first));
        feeds.push(feed);
    }
    let now = Instant::now();
    let live = Live { house, feeds, ready, beat: now + HEARTBEAT, end: now + LIFE, seat };
    let body = futures_util::stream::unfold(live, |mut live| async move {
        let bytes = live.next().await?;
        Some((Ok::<_, ApiError>(bytes), live))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        // Keeps the compression away, which would hold messages back.
        .insert_header((CONTENT_ENCODING, "identity"))
        .streaming(body))
}

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Job(JobId),
    Wallet,
    Agents,
}

fn parse(text: &str) -> Result<Vec<Topic>, ApiError> {
    let mut topics = Vec::new();
    for part in text.split(',') {
        let topic = match part {
            "wallet" => Some(Topic::Wallet),
            "agents" => Some(Topic::Agents),
            other => other.strip_prefix("job:").and_then(|id| id.parse().ok()).map(Topic::Job),
        };
        let topic = topic.filter(|_| topics.len() < TOPICS_MAX).ok_or_else(refused)?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

fn refused() -> ApiError {
    let detail = "topics are job:<id>, wallet and agents, joined by commas, at most eight";
    ApiError::new(400, "platform.topic_refused", "bad topics", detail)
}

/// One message on the wire. Its id is the log position; machines have none.
fn frame(event: &LiveEvent) -> Bytes {
    let (name, position) = match event {
        LiveEvent::Snapshot(job) => ("snapshot", Some(job.position)),
        LiveEvent::Delta(job) => ("delta", Some(job.position)),
        LiveEvent::Wallet(wallet) => ("wallet", Some(wallet.position)),
        LiveEvent::Agents { .. } => ("agents", None),
    };
    let id = position.map(|position| format!("id: {position}\n")).unwrap_or_default();
    // Strings, numbers and lists of them: writing cannot fail.
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n").into()
}

/// Who listens, and who is asked.
struct House {
    user: UserId,
    hub: Data<Hub>,
    jobs: Data<Jobs>,
    billing: Data<Billing>,
}

impl House {
    /// The job as a whole: from Redis, unless the read model is ahead of it. Nobody looks after the
    /// value of a job that has ended.
    async fn snapshot(&self, job: &Job) -> Result<JobLive, ApiError> {
        let kept = self.hub.read(JOB, job.id).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "a live value cannot be read");
            None
        });
        match kept {
            Some(LiveEvent::Snapshot(live))
                if live.position >= job.position && !job.state.is_final() =>
            {
                Ok(JobLive { note: words(job), ..live })
            }
            _ => Ok(self.jobs.live(self.user, job.id).await?),
        }
    }

    async fn job(&self, id: JobId) -> Result<Job, ApiError> {
        Ok(self.jobs.job(self.user, id).await?)
    }

    async fn wallet(&self) -> Result<Wallet, ApiError> {
        Ok(self.billing.wallet(self.user).await?)
    }

    async fn agents(&self) -> Result<Vec<AgentLive>, ApiError> {
        let state = |state| match state {
            AgentState::Offline => "offline",
            AgentState::Paused => "paused",
            AgentState::Idle => "idle",
            AgentState::Busy => "busy",
        };
        let agents = self.jobs.agents(self.user).await?;
        let live = agents.into_iter().map(|agent| AgentLive {
            agent: agent.id,
            state: state(agent.state).to_owned(),
            earned: agent.earned,
        });
        Ok(live.collect())
    }
}

/// Why a job failed or waits.
fn words(job: &Job) -> Option<String> {
    job.reason.clone().or_else(|| job.waiting.clone())
}

/// What one feed has sent.
enum Sent {
    Job { id: JobId, position: i64, note: Option<String>, ended: bool },
    Wallet { position: i64 },
    Agents { agents: Vec<AgentLive> },
}

/// One topic of a stream.
struct Feed {
    sent: Sent,
    listener: Option<Listener>,
    look_at: Instant,
}

/// Why a feed woke up.
enum Woken {
    Heard(Heard),
    Look,
}

impl Feed {
    /// Listens first and reads then, so that nothing between is missed.
    async fn open(house: &House, topic: Topic) -> Result<(Self, LiveEvent), ApiError> {
        let (sent, listener, first) = match topic {
            Topic::Job(id) => {
                let listener = house.hub.listen(JOB, id);
                let live = house.snapshot(&house.job(id).await?).await?;
                (Sent::job(&live), Some(listener), LiveEvent::Snapshot(live))
            }
            Topic::Wallet => {
                let listener = house.hub.listen(WALLET, house.user);
                let wallet = house.wallet().await?;
                let sent = Sent::Wallet { position: wallet.position };
                (sent, Some(listener), LiveEvent::Wallet(wallet))
            }
            Topic::Agents => {
                let agents = house.agents().await?;
                let sent = Sent::Agents { agents: agents.clone() };
                (sent, None, LiveEvent::Agents { agents })
            }
        };
        let mut feed = Self { sent, listener, look_at: Instant::now() };
        feed.rest();
        Ok((feed, first))
    }

    /// Sets the time of the next look.
    fn rest(&mut self) {
        let pause = match &self.sent {
            Sent::Job { ended: true, .. } => LIFE,
            Sent::Job { .. } => JOB_LOOK,
            Sent::Wallet { .. } => WALLET_LOOK,
            Sent::Agents { .. } => AGENTS_LOOK,
        };
        self.look_at = Instant::now() + pause;
    }

    async fn wake(&mut self) -> Woken {
        let look = sleep_until(self.look_at);
        let Some(listener) = &mut self.listener else {
            look.await;
            return Woken::Look;
        };
        tokio::select! {
            heard = listener.next() => Woken::Heard(heard),
            () = look => Woken::Look,
        }
    }

    /// What is to be sent for it, if anything.
    async fn take(&mut self, house: &House, woken: Woken) -> Result<Option<LiveEvent>, ApiError> {
        let event = match (&mut self.sent, woken) {
            (Sent::Job { position, .. }, Woken::Heard(Heard::Event(event))) => {
                news(house, *position, &event).await?
            }
            (Sent::Job { id, .. }, Woken::Heard(Heard::Lost)) => {
                let live = house.snapshot(&house.job(*id).await?).await?;
                Some(LiveEvent::Snapshot(live))
            }
            (Sent::Job { id, position, note, .. }, Woken::Look) => {
                let job = house.job(*id).await?;
                if job.position > *position || words(&job) != *note {
                    Some(LiveEvent::Snapshot(house.snapshot(&job).await?))
                } else {
                    None
                }
            }
            (Sent::Wallet { position }, Woken::Heard(Heard::Event(event))) => match &*event {
                LiveEvent::Wallet(wallet) if wallet.position > *position => Some((*event).clone()),
                _ => None,
            },
            (Sent::Wallet { position }, _) => {
                let wallet = house.wallet().await?;
                (wallet.position > *position).then_some(LiveEvent::Wallet(wallet))
            }
            (Sent::Agents { agents: before }, _) => {
                let agents = house.agents().await?;
                (agents != *before).then_some(LiveEvent::Agents { agents })
            }
        };
        match &event {
            Some(LiveEvent::Snapshot(live) | LiveEvent::Delta(live)) => self.sent = Sent::job(live),
            Some(LiveEvent::Wallet(w)) => self.sent = Sent::Wallet { position: w.position },
            Some(LiveEvent::Agents { agents }) => {
                self.sent = Sent::Agents { agents: agents.clone() };
            }
            None => {}
        }
        self.rest();
        Ok(event)
    }
}

impl Sent {
    fn job(live: &JobLive) -> Self {
        let (position, note) = (live.position, live.note.clone());
        Self::Job { id: live.job, position, note, ended: live.state.is_final() }
    }
}

/// What a message about a job tells a client that has seen everything up to `seen`.
async fn news(house: &House, seen: i64, event: &LiveEvent) -> Result<Option<LiveEvent>, ApiError> {
    let (LiveEvent::Snapshot(live) | LiveEvent::Delta(live)) = event else { return Ok(None) };
    let whole = matches!(event, LiveEvent::Snapshot(_));
    if live.position < seen || (live.position == seen && !whole) {
        return Ok(None);
    }
    let mut live = live.clone();
    if live.state == JobState::Failed {
        // The log has a code only; the words stand in the service's own table.
        live.note = words(&house.job(live.job).await?).or(live.note);
    }
    Ok(Some(if whole { LiveEvent::Snapshot(live) } else { LiveEvent::Delta(live) }))
}

/// A stream on its way. Dropping it gives the seat and the listeners back.
struct Live {
    house: House,
    feeds: Vec<Feed>,
    ready: VecDeque<Bytes>,
    beat: Instant,
    end: Instant,
    seat: Seat,
}

impl Live {
    /// The next bytes. None ends the stream: after its time, or when a service failed; then the
    /// client comes back and begins with what is there.
    async fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() {
            let woken = select_all(self.feeds.iter_mut().map(|feed| Box::pin(feed.wake())));
            let (woken, index) = tokio::select! {
                (woken, index, _) = woken => (woken, index),
                () = sleep_until(self.beat) => {
                    self.ready.push_back(Bytes::from_static(b": still here\n\n"));
                    break;
                }
                () = sleep_until(self.end) => return None,
                // Somebody with this many pages open comes back to this one later.
                () = self.seat.lost() => return None,
            };
            let feed = self.feeds.get_mut(index)?;
            if let Some(event) = feed.take(&self.house, woken).await.ok()? {
                self.ready.push_back(frame(&event));
            }
        }
        self.beat = Instant::now() + HEARTBEAT;
        self.ready.pop_front()
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
