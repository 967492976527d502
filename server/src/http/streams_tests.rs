//! Streams over real services, a real log and a Redis that is emptied and taken away. Only the
//! sandbox is made up: agents' work is told to the log directly.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::App;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use medusa_api::{
    AgentChange, AgentLimits, JobSpec, JobSubmit, Priority, QuoteRequest, Size, Split, Tariff,
};
use medusa_billing::BillingConfig;
use medusa_eventlog::{EventLog, LogConfig, NewEvent, Progress, project};
use medusa_events::Fact;
use medusa_jobs::port::{Agents, EnrolledAgent, Escrows, Ran, Run, Runner};
use medusa_jobs::projection::job::JobsProjection;
use medusa_jobs::{JobsConfig, JobsParts, NewExample};
use medusa_ledger::Move;
use medusa_platform::auth::BoxFuture;
use medusa_platform::supervise::supervise;
use medusa_platform::ticket::Tickets;
use medusa_platform::{AgentPrincipal, Authenticator, BlobStore, Clock, Random, Via};
use medusa_testkit::{OwnRedis, TestDb};
use medusa_types::{AgentId, ChunkIndex, Fuel, LeaseId, Outcome, Sha256Hash, Timestamp, Uuid};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;

/// How long anything may take that is to come by itself.
const LIMIT: Duration = Duration::from_secs(10);
const ANN: UserId = UserId(Uuid::from_u128(1));
const EVE: UserId = UserId(Uuid::from_u128(2));

/// What the server plugs into the services, without a sandbox and without accounts.
struct Plugs(Billing);

impl Escrows for Plugs {
    fn tariff(&self) -> Tariff {
        self.0.tariff()
    }

    fn moves(&self, fact: &Fact) -> Vec<Move> {
        medusa_billing::moves(fact)
    }

    fn wallet(&self, user: UserId) -> BoxFuture<'_, Result<Wallet, ApiError>> {
        Box::pin(async move { Ok(self.0.wallet(user).await?) })
    }
}

impl Runner for Plugs {
    fn inspect(&self, _: Bytes) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async { Ok(()) })
    }

    fn run(&self, _: Run) -> BoxFuture<'_, Result<Ran, ApiError>> {
        let (output, stderr) = (Bytes::new(), String::new());
        let ran = Ran { outcome: Outcome::Done, output, fuel: Fuel(1_000), stderr, cpu_ms: 1 };
        Box::pin(async { Ok(ran) })
    }
}

fn machine() -> EnrolledAgent {
    EnrolledAgent {
        agent: AgentId(Uuid::from_u128(5)),
        name: "box".into(),
        enrolled_at: Timestamp::default(),
        limits: AgentLimits::default(),
        public_key: None,
    }
}

impl Agents for Plugs {
    fn of_owner(&self, _: UserId) -> BoxFuture<'_, Result<Vec<EnrolledAgent>, ApiError>> {
        Box::pin(async { Ok(vec![machine()]) })
    }

    fn ever_of(&self, _: UserId) -> BoxFuture<'_, Result<(Vec<AgentId>, u64), ApiError>> {
        Box::pin(async { Ok((vec![machine().agent], 0)) })
    }

    fn machine(&self, _: AgentId) -> BoxFuture<'_, Result<Option<EnrolledAgent>, ApiError>> {
        Box::pin(async { Ok(Some(machine())) })
    }

    fn change<'a>(
        &'a self,
        _: UserId,
        _: AgentId,
        _: &'a AgentChange,
    ) -> BoxFuture<'a, Result<Option<(EnrolledAgent, i64)>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn remove(&self, _: UserId, _: AgentId) -> BoxFuture<'_, Result<bool, ApiError>> {
        Box::pin(async { Ok(false) })
    }

    fn set_key<'a>(&'a self, _: AgentId, _: &'a str) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Believes `ann` and `eve`.
struct Names;

impl Authenticator for Names {
    fn bearer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        let user = [("ann", ANN), ("eve", EVE)].into_iter().find(|(name, _)| *name == token);
        let known = user.map(|(_, user)| Principal { user, roles: Vec::new(), via: Via::Bearer });
        Box::pin(async { Ok(known) })
    }

    fn cookie<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Principal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }

    fn agent<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<AgentPrincipal>, ApiError>> {
        Box::pin(async { Ok(None) })
    }
}

struct World {
    log: EventLog,
    jobs: Jobs,
    billing: Billing,
    hub: Hub,
    redis: OwnRedis,
    _db: TestDb,
    _blobs: Folder,
    _stop: DropGuard,
}

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

impl World {
    async fn new() -> Self {
        let (db, redis) = (TestDb::new().await.unwrap(), OwnRedis::start().unwrap());
        let stop = CancellationToken::new();
        let (clock, random) = (Clock::system(), Random::system());
        let config = LogConfig { pool: db.pool.clone(), clock: clock.clone() };
        let log = medusa_eventlog::start(config, stop.clone()).await.unwrap();
        let billing = Billing::start(BillingConfig::default(), log.clone(), clock.clone());
        let billing = billing.await.unwrap();
        medusa_billing::project_regularly(&billing, stop.clone());
        billing.grant_welcome(ANN).await.unwrap();
        let progress = Progress::default();
        let (read, to) = (log.clone(), progress.clone());
        let model = Arc::new(JobsProjection);
        supervise("test.jobs", stop.clone(), move || {
            project(read.clone(), Arc::clone(&model), to.clone())
        });
        let folder = std::env::temp_dir().join(format!("medusa-streams-{}", random.id()));
        let jobs = Jobs::start(JobsParts {
            config: JobsConfig::default(),
            log: log.clone(),
            blobs: BlobStore::files(&folder).unwrap(),
            escrows: Arc::new(Plugs(billing.clone())),
            runner: Arc::new(Plugs(billing.clone())),
            agents: Arc::new(Plugs(billing.clone())),
            tickets: Arc::new(Tickets::new([1; 32])),
            clock,
            random,
            progress,
        });
        let jobs = jobs.await.unwrap();
        let hub = Hub::start(&redis.url(), stop.clone()).await.unwrap();
        let (read, url) = (log.clone(), redis.url());
        supervise("test.jobs_live", stop.clone(), move || {
            medusa_jobs::projection::live::run(read.clone(), url.clone())
        });
        let (read, url) = (log.clone(), redis.url());
        supervise("test.wallets_live", stop.clone(), move || {
            medusa_billing::projection::live::run(read.clone(), url.clone())
        });
        let (_db, _blobs, _stop) = (db, Folder(folder), stop.drop_guard());
        Self { log, jobs, billing, hub, redis, _db, _blobs, _stop }
    }

    /// A job of four chunks, for which there are no agents.
    async fn job(&self) -> JobId {
        let spec = JobSpec {
            name: "four".into(),
            args: Vec::new(),
            split: Split::Range { from: 0, to: 4, step: Size::Count(1) },
            merge: Vec::new(),
            copies: 1,
            memory_mib: 0,
            strict: false,
            keep_going: false,
            priority: Priority::Standard,
            merge_by: None,
            script: None,
        };
        let (program, input) = (Bytes::from_static(b"\0asm"), None);
        let (id, about) = ("four".to_owned(), "four".to_owned());
        let new = NewExample { id, about, program, runtime: None, input, spec: spec.clone() };
        self.jobs.put_example(ANN, new).await.unwrap();
        let program = self.jobs.examples().await.unwrap().first().unwrap().program;
        let request = QuoteRequest { program, input: None, spec };
        let quote = self.jobs.quote(ANN, request).await.unwrap();
        self.jobs.submit(ANN, &quote.id.clone(), &JobSubmit::of(quote.id)).await.unwrap().id
    }

    /// Somebody begins to compute a chunk.
    async fn lease(&self, job: JobId, chunk: u32) -> i64 {
        let fact = Fact::ChunkLeased {
            job,
            chunk: ChunkIndex(chunk),
            lease: LeaseId(Uuid::from_u128(chunk.into())),
            agent: AgentId(Uuid::from_u128(6)),
            lender: EVE,
            epoch: 1,
            fuel_limit: Fuel(1),
            expires_at: Timestamp::default(),
        };
        let event = NewEvent::new(format!("job-{job}"), fact);
        self.log.append_one(None, event).await.unwrap().position
    }

    async fn get(&self, who: &str, topics: &str) -> ServiceResponse<BoxBody> {
        let names: Arc<dyn Authenticator> = Arc::new(Names);
        let app = App::new()
            .app_data(Data::new(self.hub.clone()))
            .app_data(Data::new(self.jobs.clone()))
            .app_data(Data::new(self.billing.clone()))
            .app_data(Data::from(names))
            .configure(configure);
        let request = TestRequest::get()
            .uri(&format!("/v1/streams?topics={topics}"))
            .insert_header((AUTHORIZATION, format!("Bearer {who}")));
        call_service(&init_service(app).await, request.to_request()).await
    }

    async fn listen(&self, topics: &str) -> Stream {
        let answer = self.get("ann", topics).await;
        assert_eq!(answer.status(), 200);
        Stream { body: Box::pin(answer.into_body()), text: String::new() }
    }

    async fn refusal(&self, who: &str, topics: &str) -> (u16, String) {
        let answer = self.get(who, topics).await;
        let status = answer.status().as_u16();
        let problem: Problem = serde_json::from_slice(&read_body(answer).await).unwrap();
        (status, problem.code)
    }

    async fn flush_all(&self) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut redis = client.get_connection_manager().await.unwrap();
        redis::cmd("FLUSHALL").exec_async(&mut redis).await.unwrap();
    }
}

/// The client's end.
struct Stream {
    body: Pin<Box<BoxBody>>,
    text: String,
}

impl Stream {
    /// The next event, after comments: its name, its id and its data.
    async fn next(&mut self) -> (String, Option<i64>, LiveEvent) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name));
                if let Some(data) = field("data: ") {
                    let id = field("id: ").map(|id| id.parse().unwrap());
                    let name = field("event: ").unwrap().to_owned();
                    return (name, id, serde_json::from_str(data).unwrap());
                }
                continue;
            }
            let bytes = std::future::poll_fn(|cx| self.body.as_mut().poll_next(cx));
            let bytes = timeout(LIMIT, bytes).await.expect("an event comes").unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The first message about a job that this holds for, with the name of its event.
    async fn until(&mut self, is: impl Fn(&JobLive) -> bool) -> (String, JobLive) {
        loop {
            if let (name, Some(id), LiveEvent::Snapshot(live) | LiveEvent::Delta(live)) =
                self.next().await
            {
                assert_eq!(id, live.position);
                if is(&live) {
                    return (name, live);
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_stream_begins_with_the_whole_and_goes_on_with_changes() {
    let world = World::new().await;
    let job = world.job().await;
    let mut stream = world.listen(&format!("job:{job}")).await;
    let (name, id, event) = stream.next().await;
    let LiveEvent::Snapshot(first) = event else { panic!("{event:?}") };
    assert_eq!((name.as_str(), id), ("snapshot", Some(first.position)));
    assert_eq!((first.cells.as_str(), first.state), ("0000", JobState::Running));
    assert_eq!(first.note.as_deref(), Some("no agents are connected"));
    assert!(first.cost.held.is_positive());

    let leased = world.lease(job, 2).await;
    let (name, live) = stream.until(|live| live.position >= leased).await;
    assert_eq!((name.as_str(), live.cells.as_str()), ("delta", "2:1"));
    assert_eq!((live.counts.waiting, live.counts.leased, live.position), (3, 1, leased));
    // Who comes later begins where the others are.
    let mut later = world.listen(&format!("job:{job}")).await;
    let (_, live) = later.until(|_| true).await;
    assert_eq!((live.cells.as_str(), live.position), ("0010", leased));
    // Redis and the read model say the same.
    let Some(LiveEvent::Snapshot(kept)) = world.hub.read(JOB, job).await.unwrap() else {
        panic!("nothing is kept")
    };
    let mut read = world.jobs.live(ANN, job).await.unwrap();
    while read.position < kept.position {
        tokio::task::yield_now().await;
        read = world.jobs.live(ANN, job).await.unwrap();
    }
    assert_eq!(read, kept);
}

#[actix_web::test]
async fn a_cancelled_job_is_told_with_the_credits_that_come_back() {
    let world = World::new().await;
    let job = world.job().await;
    let mut stream = world.listen(&format!("wallet,job:{job}")).await;
    let (name, id, event) = stream.next().await;
    let LiveEvent::Wallet(wallet) = event else { panic!("{event:?}") };
    assert_eq!((name.as_str(), id), ("wallet", Some(wallet.position)));
    assert!(wallet.held.is_positive());
    world.jobs.cancel(ANN, "stop", job).await.unwrap();
    let (mut back, mut ended) = (None, None);
    while back.is_none() || ended.is_none() {
        match stream.next().await.2 {
            LiveEvent::Wallet(wallet) => back = Some(wallet),
            LiveEvent::Snapshot(live) | LiveEvent::Delta(live) if live.state.is_final() => {
                ended = Some(live);
            }
            _ => {}
        }
    }
    let (back, ended) = (back.unwrap(), ended.unwrap());
    assert_eq!(ended.state, JobState::Cancelled);
    assert_eq!(ended.cost.released, ended.cost.held);
    assert_eq!((back.held, back.available), (Default::default(), "100".parse().unwrap()));
}

#[actix_web::test]
async fn an_emptied_redis_costs_a_moment_and_nothing_else() {
    let world = World::new().await;
    let job = world.job().await;
    let mut stream = world.listen(&format!("job:{job}")).await;
    let leased = world.lease(job, 0).await;
    stream.until(|live| live.position >= leased).await;
    world.flush_all().await;
    let (name, live) = stream.until(|_| true).await;
    assert_eq!((name.as_str(), live.cells.as_str()), ("snapshot", "1000"));
    let leased = world.lease(job, 3).await;
    let (_, live) = stream.until(|live| live.position >= leased).await;
    assert_eq!((live.counts.leased, live.counts.waiting), (2, 2));
}

#[actix_web::test]
async fn a_stream_is_right_while_redis_is_away_and_when_it_is_back() {
    let mut world = World::new().await;
    let job = world.job().await;
    let mut before = world.listen(&format!("job:{job}")).await;
    world.redis.stop().unwrap();
    let leased = world.lease(job, 1).await;
    let mut away = world.listen(&format!("job:{job}")).await;
    let (name, live) = away.until(|live| live.position >= leased).await;
    assert_eq!((name.as_str(), live.cells.as_str()), ("snapshot", "0100"));
    let (name, live) = before.until(|live| live.position >= leased).await;
    assert_eq!((name.as_str(), live.cells.as_str()), ("snapshot", "0100"));
    world.redis.restart().unwrap();
    let leased = world.lease(job, 2).await;
    for stream in [&mut away, &mut before] {
        let (_, live) = stream.until(|live| live.position >= leased).await;
        assert_eq!(live.counts.leased, 2);
    }
}

#[actix_web::test]
async fn own_machines_are_told() {
    let world = World::new().await;
    let (name, id, event) = world.listen("agents").await.next().await;
    assert_eq!((name.as_str(), id), ("agents", None));
    let LiveEvent::Agents { agents } = event else { panic!("{event:?}") };
    let states: Vec<&str> = agents.iter().map(|agent| agent.state.as_str()).collect();
    assert_eq!(states, ["offline"]);
}

#[actix_web::test]
async fn bad_topics_and_other_peoples_jobs_are_refused() {
    let world = World::new().await;
    let job = world.job().await;
    let own = format!("job:{job}");
    let nine = ["agents"].repeat(8).join(",");
    let unknown = format!("job:{}", JobId(Uuid::from_u128(77)));
    let table = [
        ("nobody", "wallet", 401, "platform.unauthenticated"),
        ("eve", own.as_str(), 404, "platform.not_found"),
        ("ann", &unknown, 404, "platform.not_found"),
        ("ann", "", 400, "platform.topic_refused"),
        ("ann", "wallet,", 400, "platform.topic_refused"),
        ("ann", "job:", 400, "platform.topic_refused"),
        ("ann", "wallet:usr_00000000000000000000000000000002", 400, "platform.topic_refused"),
    ];
    for (who, topics, status, code) in table {
        let found = world.refusal(who, topics).await;
        assert_eq!(found, (status, code.to_owned()), "{who} asks for {topics:?}");
    }
    assert_eq!(world.get("ann", &nine).await.status(), 200, "the same topic twice is one");
}

#[actix_web::test]
async fn the_eleventh_stream_of_a_person_ends_the_oldest_one() {
    let world = World::new().await;
    let mut open = Vec::new();
    for _ in 0..=STREAMS_MAX {
        open.push(world.listen("agents").await);
    }
    assert_eq!(open.last_mut().unwrap().next().await.0, "agents");
    assert_eq!(open[1].next().await.0, "agents");
    // What was on its way still comes; then it is over.
    let oldest = open.remove(0);
    let whole = actix_web::body::to_bytes(oldest.body).await.unwrap();
    assert!(whole.starts_with(b"retry:"), "{whole:?}");
}

#[actix_web::test]
async fn nobody_on_the_way_keeps_or_delays_a_stream() {
    let world = World::new().await;
    let answer = world.get("ann", "agents").await;
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(header("content-encoding"), "identity");
}

#[test]
fn topics_are_read_in_order_and_once() {
    let job = JobId(Uuid::from_u128(7));
    let topics = parse(&format!("wallet,job:{job},wallet,agents")).unwrap();
    assert_eq!(topics, [Topic::Wallet, Topic::Job(job), Topic::Agents]);
    let jobs: Vec<String> = (0..9).map(|n| format!("job:{}", JobId(Uuid::from_u128(n)))).collect();
    assert!(parse(&jobs[..8].join(",")).is_ok());
    assert!(parse(&jobs.join(",")).is_err());
}

#[test]
fn the_hash_of_a_program_is_not_a_topic() {
    assert!(parse(&format!("job:{}", Sha256Hash([0; 32]))).is_err());
}
