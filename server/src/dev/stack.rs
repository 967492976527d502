//! Everything that runs: started from the ground up, stopped from the top down.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures_util::future::select_all;
use medusa_client::Client;
use medusa_platform::embedded::{Postgres, Redis};
use medusa_platform::postgres;
use tokio::process::Command;

use super::agents;
use super::child::Child;
use super::home::{Home, Port};
use super::talk::Talk;

/// How long the server may take until it is ready, migrations included.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// The running parts. Its children end when it is dropped; [`Stack::stop`] ends them gently.
pub(super) struct Stack {
    postgres: Postgres,
    redis: Redis,
    server: Option<Child>,
    agents: Vec<Child>,
    port: Port,
}

impl Stack {
    /// Starts or adopts Postgres and Redis. Blocks for about a second.
    pub(super) fn ground(home: &Home, talk: &Talk, port: u16) -> Result<Self> {
        let postgres = Postgres::start(&home.postgres())?;
        talk.step(&format!("PostgreSQL {} (process {})", how(postgres.adopted()), postgres.pid()));
        let redis = Redis::start(&home.redis())?;
        talk.step(&format!("Redis {} (process {})", how(redis.adopted()), redis.pid()));
        let port = home.port(port)?;
        Ok(Self { postgres, redis, server: None, agents: Vec::new(), port })
    }

    /// Address of the website and of the API.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number)
    }

    /// Brings the schema up to date as the owner of the database, and makes the login of the
    /// server, which has no right but those of the application.
    pub(super) async fn open_database(&self) -> Result<()> {
        let owner = postgres::connect(&self.postgres.url()).await?;
        postgres::migrate(&owner).await.context("could not migrate")?;
        postgres::make_server_login(&owner).await.context("could not make the server's login")?;
        owner.close().await;
        Ok(())
    }

    /// The database as the server logs in to it.
    fn server_database(&self) -> String {
        let login = format!("//{}@", postgres::SERVER_LOGIN);
        self.postgres.url().replacen("//medusa@", &login, 1)
    }

    /// This program with the settings of the server that runs here.
    pub(super) fn server_command(&self, home: &Home) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .env("DATABASE_URL", self.server_database())
            .env("REDIS_URL", self.redis.url())
            .env("MEDUSA_DATA", home.private_dir("data")?)
            .env("MEDUSA_EXAMPLES", home.checkout.join("examples"))
            .env("MEDUSA_LISTEN", format!("127.0.0.1:{}", self.port.number))
            .env("MEDUSA_PUBLIC_URL", self.url());
        Ok(command)
    }

    /// Starts the server.
    pub(super) fn start_server(&mut self, home: &Home) -> Result<()> {
        let mut command = self.server_command(home)?;
        command.args(["serve", "--exit-with-stdin"]);
        self.server = Some(Child::start("the server", command, &home.path("log/server.log"))?);
        Ok(())
    }

    /// Starts both agents.
    pub(super) fn start_agents(&mut self, home: &Home) -> Result<()> {
        let program = sibling("medusa-agent")?;
        for number in [1, 2] {
            self.agents.push(agents::start(home, number, &program)?);
        }
        Ok(())
    }

    /// Does the work, unless a child ends first.
    pub(super) async fn while_it_lives<T>(
        &mut self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let children = self.server.iter_mut().chain(&mut self.agents);
        let ends: Vec<_> = children.map(|child| Box::pin(child.fails())).collect();
        if ends.is_empty() {
            return work.await;
        }
        tokio::select! {
            (error, ..) = select_all(ends) => Err(error),
            done = work => done,
        }
    }

    /// Stops everything, each before what it stands on.
    pub(super) async fn stop(self) -> Result<()> {
        // The server first: it tells agents and browsers that it goes.
        if let Some(server) = self.server {
            server.stop().await?;
        }
        for agent in self.agents {
            agent.stop().await?;
        }
        let (postgres, redis) = (self.postgres, self.redis);
        tokio::task::spawn_blocking(move || {
            redis.stop()?;
            postgres.stop()
        })
        .await
        .context("the stop of the databases panicked")??;
        Ok(())
    }
}

/// Waits until the server can do everything.
pub(super) async fn ready(server: &Client) -> Result<()> {
    let server = server.clone().with_retries(0).with_deadline(Duration::from_secs(5));
    let began = Instant::now();
    loop {
        match server.ready().await {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > READY_LIMIT => {
                return Err(error).context("the server does not get ready");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A program that was built beside this one.
pub(super) fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        bail!("{} is missing; build it with `cargo build -p {name}`", path.display());
    }
    Ok(path)
}

fn how(adopted: bool) -> &'static str {
    if adopted { "still runs from before" } else { "started" }
}
