//! Puts the house together: pools, log, services, projections, HTTP; and takes it apart again.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use anyhow::{Context as _, Result, bail};
use medusa_accounts::{Accounts, AccountsConfig, AccountsLimits, Welcome};
use medusa_ads::{Ads, AdsConfig};
use medusa_api::{AgentChange, Tariff};
use medusa_billing::{Billing, BillingConfig};
use medusa_eventlog::desk::Desk;
use medusa_eventlog::{
    Auditor, EventLog, LogConfig, Progress, Signs, Tiles, invariants, project, start_checkpoints,
};
use medusa_events::Fact;
use medusa_jobs::port::{Agents, EnrolledAgent, Escrows};
use medusa_jobs::projection::job::JobsProjection;
use medusa_jobs::{Jobs, JobsConfig, JobsParts};
use medusa_ledger::Move;
use medusa_platform::auth::BoxFuture;
use medusa_platform::live::Hub;
use medusa_platform::postgres;
use medusa_platform::supervise::supervise;
use medusa_platform::ticket::Tickets;
use medusa_platform::{ApiError, Authenticator, BlobStore, Clock, Random};
use medusa_sandbox::Modules;
use medusa_sessions::projection::SessionsProjection;
use medusa_sessions::{Sessions, SessionsConfig, SessionsParts};
use medusa_tlog::Signer;
use medusa_types::{AgentId, UserId};
use medusa_web::Site;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::OPERATOR_KEY;
use crate::config::{DataDir, ServeArgs};
use crate::ends::{End, Ends};
use crate::floor::{JobFloor, SessionEscrows};
use crate::forwarded::{FORWARD_KEY, Notes};
use crate::http::Operator;
use crate::runner::ServerRunner;
use crate::site::House;
use crate::standby::Taken;
use crate::{drain, examples, forwarded, http, standby, witness};

/// Seconds that open connections get at the end.
const SHUTDOWN_S: u64 = 1;
/// Threads that answer HTTP.
const HTTP_WORKERS: usize = 2;

/// Billing's greeting, as accounts ask for it.
struct WelcomeCredits(Billing);

impl Welcome for WelcomeCredits {
    fn grant(&self, user: UserId) -> BoxFuture<'_, Result<(), ApiError>> {
        Box::pin(async move { Ok(self.0.grant_welcome(user).await?) })
    }
}

/// Billing's rules, as jobs ask for them.
struct JobEscrows(Billing);

impl Escrows for JobEscrows {
    fn tariff(&self) -> Tariff {
        self.0.tariff()
    }

    fn moves(&self, fact: &Fact) -> Vec<Move> {
        medusa_billing::moves(fact)
    }

    fn wallet(&self, user: UserId) -> BoxFuture<'_, Result<medusa_api::Wallet, ApiError>> {
        Box::pin(async move { Ok(self.0.wallet(user).await?) })
    }
}

/// Accounts' machines, as jobs ask for them.
struct OwnedAgents(Accounts);

fn enrolled(row: medusa_accounts::AgentRow) -> EnrolledAgent {
    EnrolledAgent {
        agent: row.agent,
        name: row.name,
        enrolled_at: row.enrolled_at,
        limits: row.limits,
        public_key: row.public_key,
    }
}

impl Agents for OwnedAgents {
    fn of_owner(&self, owner: UserId) -> BoxFuture<'_, Result<Vec<EnrolledAgent>, ApiError>> {
        Box::pin(async move {
            let rows = self.0.agents_of(owner).await?;
            Ok(rows.into_iter().map(enrolled).collect())
        })
    }

    fn ever_of(&self, owner: UserId) -> BoxFuture<'_, Result<(Vec<AgentId>, u64), ApiError>> {
        Box::pin(async move { Ok(self.0.machines_ever_of(owner).await?) })
    }

    fn machine(&self, agent: AgentId) -> BoxFuture<'_, Result<Option<EnrolledAgent>, ApiError>> {
        Box::pin(async move { Ok(self.0.machine(agent).await?.map(enrolled)) })
    }

    fn change<'a>(
        &'a self,
        owner: UserId,
        agent: AgentId,
        change: &'a AgentChange,
    ) -> BoxFuture<'a, Result<Option<(EnrolledAgent, i64)>, ApiError>> {
        Box::pin(async move {
            let changed = self.0.change_machine(owner, agent, change).await?;
            Ok(changed.map(|(row, position)| (enrolled(row), position)))
        })
    }

    fn remove(&self, owner: UserId, agent: AgentId) -> BoxFuture<'_, Result<bool, ApiError>> {
        Box::pin(async move { Ok(self.0.remove_machine(owner, agent).await?) })
    }

    fn set_key<'a>(
        &'a self,
        agent: AgentId,
        public_key: &'a str,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move { Ok(self.0.set_machine_key(agent, public_key).await?) })
    }
}

/// Runs the house until it is told to stop.
pub(crate) fn serve(args: ServeArgs) -> Result<()> {
    let runtime = || {
        #[expect(clippy::expect_used, reason = "without a runtime there is nothing to go on with")]
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("the operating system gives threads")
    };
    actix_web::rt::System::with_tokio_rt(runtime).block_on(run(args))
}

/// Brings the schema up to date as whoever owns it, and goes on with the application's rights.
async fn open_database(args: &ServeArgs) -> Result<PgPool> {
    let owner =
        postgres::connect(&args.database_url).await.context("could not connect to the database")?;
    if !args.volatile_database {
        postgres::check_durability(&owner).await?;
    }
    postgres::migrate(&owner).await.context("could not migrate")?;
    owner.close().await;
    let pool = postgres::connect_app(&args.database_url).await?;
    postgres::check_rights(&pool).await?;
    Ok(pool)
}

async fn run(args: ServeArgs) -> Result<()> {
    let stop = CancellationToken::new();
    let mut ends = Ends::listen(args.exit_with_stdin, &stop)?;
    let (clock, random) = (Clock::system(), Random::system());
    let data = DataDir::open(&args.data)?;
    let pool = open_database(&args).await?;
    let config = LogConfig { pool: pool.clone(), clock: clock.clone() };
    let notes = Notes::new(data.secret(FORWARD_KEY, &random)?, clock.clone());
    let (reached_at, own) = watch::channel(None);
    let signs = Signs { own, writer: watch::Sender::new(None) };
    let taken = standby::become_writer(config, &args, notes.clone(), signs, &mut ends).await?;
    let Some(Taken { log, door }) = taken else { return Ok(()) };
    let house = build(&args, &data, &log, &clock, &random, &stop).await?;
    let jobs = house.jobs.clone();
    if let Some(folder) = &args.examples {
        examples::offer(&jobs, folder).await?;
    }
    let operator = Operator::new(&data.secret(OPERATOR_KEY, &random)?);
    let hub = start_live(&args, &log, &stop).await?;
    let ads = Ads::start(AdsConfig::default(), log.clone(), clock, random).await?;
    let server = answer(&args, door, house, (ads, hub, operator, notes))?;
    reached_at.send_replace(Some(args.reached_at()));
    tracing::info!(listen = %args.listen, "serving {}", args.public_url);
    let handle = server.handle();
    let ended = async {
        if ends.next().await == End::Asked {
            drain::drain(&jobs, &mut ends, Duration::from_secs(args.drain_s)).await;
        }
        tracing::info!("stopping");
        reached_at.send_replace(None);
        handle.stop(true).await;
    };
    let (served, ()) = tokio::join!(server, ended);
    // Nobody asked for the end: a task gave up, or another process took over the log.
    let gave_up = stop.is_cancelled();
    stop.cancel();
    pool.close().await;
    served.context("the server failed")?;
    if gave_up {
        bail!("this process can no longer write the log; its last messages say why");
    }
    Ok(())
}

/// Answers people, agents and programs, where it listens already or from now on.
fn answer(
    args: &ServeArgs,
    door: Option<TcpListener>,
    house: House,
    (ads, hub, operator, notes): (Ads, Hub, Operator, Notes),
) -> Result<Server> {
    let authenticator: Arc<dyn Authenticator> = Arc::new(house.accounts.clone());
    let secure = args.public_url.starts_with("https:");
    let site = web::Data::new(Site::new(Arc::new(house.clone()), secure));
    let gallery = web::Data::new(examples::Gallery(args.examples.clone()));
    let (operator, notes) = (web::Data::new(operator), web::Data::new(notes));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&authenticator)))
            .app_data(web::Data::new(house.accounts.clone()))
            .app_data(web::Data::new(house.jobs.clone()))
            .app_data(web::Data::new(house.sessions.clone()))
            .app_data(web::Data::new(house.billing.clone()))
            .app_data(web::Data::new(ads.clone()))
            .app_data(web::Data::new(house.auditor.clone()))
            .app_data(web::Data::new(house.books.clone()))
            .app_data(web::Data::new(house.log.clone()))
            .app_data(web::Data::new(hub.clone()))
            .app_data(operator.clone())
            .app_data(gallery.clone())
            .app_data(site.clone())
            .app_data(notes.clone())
            .wrap(actix_web::middleware::from_fn(http::tell_position))
            .wrap(http::default_headers())
            .wrap(actix_web::middleware::Compress::default())
            .wrap(tracing_actix_web::TracingLogger::default())
            .wrap(actix_web::middleware::from_fn(http::head_as_get))
            .wrap(actix_web::middleware::from_fn(forwarded::believe))
            .configure(http::configure)
    })
    .workers(HTTP_WORKERS)
    .client_request_timeout(Duration::from_secs(15))
    .shutdown_timeout(SHUTDOWN_S)
    .disable_signals();
    let server = match door {
        Some(door) => server.listen(door),
        None => server.bind(args.listen),
    };
    Ok(server.with_context(|| format!("could not listen on {}", args.listen))?.run())
}

async fn build(
    args: &ServeArgs,
    data: &DataDir,
    log: &EventLog,
    clock: &Clock,
    random: &Random,
    stop: &CancellationToken,
) -> Result<House> {
    let pool = log.pool();
    let config = BillingConfig { welcome: args.welcome, tariff: args.tariff.clone() };
    let billing = Billing::start(config, log.clone(), clock.clone()).await?;
    medusa_billing::project_regularly(&billing, stop.clone());
    let accounts = Accounts::new(
        AccountsConfig {
            issuer: args.public_url.clone(),
            public_url: args.public_url.clone(),
            jwt_key: data.secret("tokens.key", random)?,
            mail: args.mail(data)?,
            mail_from: args.mail_from.clone(),
            private_targets: args.private_webhooks,
            limits: AccountsLimits::default(),
        },
        pool.clone(),
        log.clone(),
        clock.clone(),
        random.clone(),
        Arc::new(WelcomeCredits(billing.clone())),
    )?;
    medusa_accounts::sweep_regularly(&accounts, stop.clone());
    medusa_accounts::deliver_regularly(&accounts, stop.clone());
    let progress = Progress::default();
    let (project_log, project_to) = (log.clone(), progress.clone());
    supervise("jobs.projection", stop.clone(), move || {
        project(project_log.clone(), Arc::new(JobsProjection), project_to.clone())
    });
    let blobs = BlobStore::files(&data.blobs())?;
    let exe = std::env::current_exe()?;
    let modules = Modules::new(data.compiled(), exe, vec!["sandbox-worker".into()]);
    let tickets = Arc::new(Tickets::new(data.secret("tickets.key", random)?));
    let jobs = Jobs::start(JobsParts {
        config: JobsConfig {
            agent_grace: Duration::from_millis(args.agent_grace_ms),
            trust: args.trust,
            files_keep_ms: args.files_keep_s.saturating_mul(1_000),
            files_aside_ms: args.files_aside_s.saturating_mul(1_000),
            files_sweep: Duration::from_secs(args.files_sweep_s),
            ..JobsConfig::default()
        },
        log: log.clone(),
        blobs: blobs.clone(),
        escrows: Arc::new(JobEscrows(billing.clone())),
        runner: Arc::new(ServerRunner::new(modules, blobs, stop.clone())),
        agents: Arc::new(OwnedAgents(accounts.clone())),
        tickets: Arc::clone(&tickets),
        clock: clock.clone(),
        random: random.clone(),
        progress,
    })
    .await
    .map_err(ApiError::from)?;
    medusa_jobs::revive_regularly(&jobs, stop.clone());
    let sessions = start_sessions((args, data), log, (&billing, &jobs), (clock, &tickets), stop);
    let sessions = sessions.await?;
    let signer = Signer::new(args.origin.clone(), &data.secret("log.key", random)?);
    let names = args.witnesses.iter().map(|witness| witness.key.name().to_owned()).collect();
    let auditor = Auditor::new(pool.clone(), signer, clock.clone()).with_witnesses(names);
    start_proofs(args, log, &auditor, stop)?;
    let kinds = [medusa_jobs::projection::live::KIND, medusa_billing::projection::live::KIND];
    let books = Desk::new(log.clone(), clock.clone()).with_live(args.redis_url.clone(), &kinds);
    let (log, clock) = (log.clone(), clock.clone());
    Ok(House { accounts, jobs, sessions, billing, auditor, books, log, clock })
}

/// The data path of sessions, and those that have not ended.
async fn start_sessions(
    (args, data): (&ServeArgs, &DataDir),
    log: &EventLog,
    (billing, jobs): (&Billing, &Jobs),
    (clock, tickets): (&Clock, &Arc<Tickets>),
    stop: &CancellationToken,
) -> Result<Sessions> {
    let progress = Progress::default();
    let (project_log, project_to) = (log.clone(), progress.clone());
    supervise("sessions.projection", stop.clone(), move || {
        project(project_log.clone(), Arc::new(SessionsProjection), project_to.clone())
    });
    let listen = args.sessions_listen;
    let listener = data.listen("sessions.port", listen)?;
    let own = || format!("ws://{listen}");
    let parts = SessionsParts {
        config: SessionsConfig {
            url: args.sessions_url.clone().unwrap_or_else(own),
            ..SessionsConfig::default()
        },
        log: log.clone(),
        escrows: Arc::new(SessionEscrows(billing.clone())),
        floor: Arc::new(JobFloor(jobs.clone())),
        tickets: Arc::clone(tickets),
        clock: clock.clone(),
        progress,
    };
    let sessions = Sessions::start(parts, listener, stop.clone()).await;
    Ok(sessions.map_err(ApiError::from)?)
}

/// What outsiders check the log by: its tiles, signed checkpoints, and witnesses who sign them too.
fn start_proofs(
    args: &ServeArgs,
    log: &EventLog,
    auditor: &Auditor,
    stop: &CancellationToken,
) -> Result<()> {
    let tiles_log = log.clone();
    supervise("eventlog.tiles", stop.clone(), move || {
        project(tiles_log.clone(), Arc::new(Tiles), Progress::default())
    });
    start_checkpoints(auditor, log, stop.clone());
    invariants::check_regularly(log.pool().clone(), stop.clone());
    witness::ask_regularly(auditor, &args.witnesses, stop)
}

/// What pages see at once: the live projections into Redis, and the subscription out of it.
async fn start_live(args: &ServeArgs, log: &EventLog, stop: &CancellationToken) -> Result<Hub> {
    let hub = Hub::start(&args.redis_url, stop.clone()).await.context("could not reach Redis")?;
    let (jobs_log, url) = (log.clone(), args.redis_url.clone());
    supervise("jobs.live", stop.clone(), move || {
        medusa_jobs::projection::live::run(jobs_log.clone(), url.clone())
    });
    let (wallet_log, url) = (log.clone(), args.redis_url.clone());
    supervise("billing.live", stop.clone(), move || {
        medusa_billing::projection::live::run(wallet_log.clone(), url.clone())
    });
    Ok(hub)
}
