//! Building read models anew: those in the database, each beside its live tables, and the values in
//! Redis, by asking the running server. Nothing has to be stopped for it.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use medusa_billing::projection::escrow::BillingProjection;
use medusa_billing::projection::live::KIND as WALLET;
use medusa_eventlog::{Books, Projection, Tiles, rebuild};
use medusa_jobs::projection::job::JobsProjection;
use medusa_jobs::projection::live::KIND as JOB;
use medusa_platform::live::{write_anew, written_to};
use medusa_platform::postgres;
use medusa_sessions::projection::SessionsProjection;
use sqlx::PgPool;

/// Between two lines about a rebuild that nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// How long a server may take to notice that its live values are wished for.
const NOTICED: Duration = Duration::from_secs(5);

/// What is to be built anew.
#[derive(Args)]
pub(crate) struct RebuildArgs {
    /// Which read model
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// The database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Redis, for the live values
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// All of them
    All,
    /// Balances, statements and reservations
    Books,
    /// Tiles of the tree over the log
    Tiles,
    /// Jobs, chunks, leases and records of agents
    Jobs,
    /// Sessions
    Sessions,
    /// Whose credits each job holds
    Billing,
    /// What pages see at once, in Redis
    Live,
}

/// Builds what is wished for, one after the other.
pub(crate) async fn run(args: &RebuildArgs) -> Result<()> {
    let wished = |what| args.what == what || args.what == What::All;
    let pool = postgres::connect_app(&args.database_url).await?;
    if wished(What::Books) {
        one(&pool, &Books::default()).await?;
    }
    if wished(What::Tiles) {
        one(&pool, &Tiles).await?;
    }
    if wished(What::Jobs) {
        one(&pool, &JobsProjection).await?;
    }
    if wished(What::Sessions) {
        one(&pool, &SessionsProjection).await?;
    }
    if wished(What::Billing) {
        one(&pool, &BillingProjection).await?;
    }
    match &args.redis_url {
        Some(url) if args.what == What::Live => live(url).await?,
        None if args.what == What::Live => bail!("name the Redis with --redis-url"),
        Some(url) if wished(What::Live) => {
            if let Err(error) = live(url).await {
                say(&format!("live: {error:#}"));
            }
        }
        _ => {}
    }
    Ok(())
}

async fn one<P: Projection>(pool: &PgPool, projection: &P) -> Result<()> {
    let mut shown = Shown::new(P::NAME);
    let built = rebuild(pool, projection, |done, all| shown.update(done, all)).await;
    shown.bar.finish_and_clear();
    let built = built.with_context(|| format!("could not build {} anew", P::NAME))?;
    let found = match built.differences {
        0 => "nothing differed".to_owned(),
        1 => "1 difference put right".to_owned(),
        n => format!("{n} differences put right"),
    };
    say(&format!("{}: {} events in {} ms, {found}", built.name, built.position, built.ms));
    Ok(())
}

/// Asks the running server to write its values anew.
async fn live(url: &str) -> Result<()> {
    for kind in [JOB, WALLET] {
        write_anew(url, kind).await.context("could not reach Redis")?;
    }
    let asked = Instant::now();
    for kind in [JOB, WALLET] {
        while written_to(url, kind).await?.is_none() {
            if asked.elapsed() > NOTICED {
                bail!("no server writes live values now; they are written when one starts");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        say(&format!("live: the server writes every {kind} anew"));
    }
    Ok(())
}

fn say(line: &str) {
    // Nobody listens any more when this fails.
    writeln!(std::io::stdout(), "{line}").ok();
}

/// How far a rebuild is: a bar for a person, and else a line now and then.
struct Shown {
    name: &'static str,
    bar: ProgressBar,
    told: Instant,
}

impl Shown {
    fn new(name: &'static str) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {eta}");
            let bar = ProgressBar::new(0).with_prefix(name);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Self { name, bar, told: Instant::now() }
    }

    fn update(&mut self, done: i64, all: i64) {
        self.bar.set_length(all.unsigned_abs());
        self.bar.set_position(done.unsigned_abs());
        if self.bar.is_hidden() && self.told.elapsed() > LINE_EVERY {
            self.told = Instant::now();
            writeln!(std::io::stderr(), "{}: {done} of {all} events", self.name).ok();
        }
    }
}
