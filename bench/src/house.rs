//! A house to measure: its own Postgres, which is durable, its own Redis, a server, people and
//! their agents. Everything ends with it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use medusa_api::{
    AgentState, DeviceApproval, DevicePoll, DeviceRequest, JobSpec, Priority, ProgramUpload,
    QuoteRequest, SignUp, Size, Split,
};
use medusa_client::{Client, Session};
use medusa_platform::embedded::{Postgres, PostgresConfig, Redis, RedisConfig};

use crate::process::{Folder, Process, checkout, sibling};

/// How long anything here may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// Somebody with an account, logged in.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// The house.
pub(crate) struct House {
    server: Option<Process>,
    agents: Vec<(String, Process)>,
    ground: Option<(Postgres, Redis)>,
    pub(crate) url: String,
    listen: String,
    folder: Folder,
}

impl House {
    /// Starts the databases and the server.
    pub(crate) async fn open() -> Result<Self> {
        let folder = Folder::new()?;
        let path = |name: &str| folder.path().join(name);
        let postgres = PostgresConfig {
            data_dir: path("pg"),
            socket_dir: path("run"),
            log: path("postgres.log"),
            durable: true,
            bin: None,
        };
        let redis = RedisConfig { socket_dir: path("run"), log: path("redis.log") };
        let ground = tokio::task::spawn_blocking(move || -> Result<_> {
            Ok((Postgres::start(&postgres)?, Redis::start(&redis)?))
        });
        let ground = Some(ground.await??);
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let url = format!("http://{listen}");
        let mut house = Self { server: None, agents: Vec::new(), ground, url, listen, folder };
        house.start().await?;
        Ok(house)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Starts the server and waits until it can do everything; the time that this took.
    pub(crate) async fn start(&mut self) -> Result<Duration> {
        let (postgres, redis) = self.ground.as_ref().context("the databases are stopped")?;
        let mut command = Command::new(sibling("medusa-server")?);
        command
            .args(["serve", "--exit-with-stdin"])
            .env("DATABASE_URL", postgres.url())
            .env("REDIS_URL", redis.url())
            .env("MEDUSA_DATA", self.folder.path().join("data"))
            .env("MEDUSA_EXAMPLES", checkout()?.join("examples"))
            .env("MEDUSA_LISTEN", &self.listen)
            .env("MEDUSA_PUBLIC_URL", &self.url);
        let began = Instant::now();
        self.server = Some(Process::start(&mut command, &self.log("server"))?);
        let client = Client::new(&self.url, None)?.with_retries(0);
        while client.ready().await.is_err() {
            if began.elapsed() > PATIENCE {
                bail!("the server does not get ready: see {}", self.log("server").display());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(began.elapsed())
    }

    /// Ends the server with SIGKILL.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill9();
        }
    }

    /// A new person of this name.
    pub(crate) async fn person(&self, name: &str) -> Result<Person> {
        let client = Client::new(&self.url, None)?;
        let (email, password) = (format!("{name}@example.org"), format!("{name} has a secret"));
        let form =
            SignUp { email: email.clone(), password: password.clone(), name: name.to_owned() };
        let tokens = client.signup(&form).await?;
        let client = client.with_session(Some(Session::begin(tokens)));
        Ok(Person { client, email, password })
    }

    /// Starts an agent of a new lender with all cores, or with so many slots, and waits until it
    /// is connected.
    pub(crate) async fn agent(&mut self, lender: &str, slots: Option<u32>) -> Result<()> {
        let owner = self.person(lender).await?.client;
        self.agent_of(lender, owner, slots).await
    }

    /// The same for somebody who has an account.
    pub(crate) async fn agent_of(
        &mut self,
        lender: &str,
        owner: Client,
        slots: Option<u32>,
    ) -> Result<()> {
        let machine = Client::new(&self.url, None)?;
        let code = machine
            .device(&DeviceRequest { name: lender.to_owned(), public_key: None, about: None })
            .await?;
        let approval = DeviceApproval { user_code: code.user_code, name: String::new() };
        owner.approve_device(&approval).await?;
        let token = machine.poll_device(&DevicePoll { device_code: code.device_code }).await?;
        let data = self.folder.path().join(format!("agent-{lender}"));
        std::fs::create_dir_all(&data)?;
        let identity = serde_json::json!({
            "server": self.url, "agent": token.agent, "name": token.name,
            "agent_key": token.agent_key,
        });
        std::fs::write(data.join("identity.json"), identity.to_string())?;
        self.come(lender, &owner, slots).await
    }

    /// Starts the agent of a lender who has enrolled one, and waits until it is connected.
    pub(crate) async fn come(
        &mut self,
        lender: &str,
        owner: &Client,
        slots: Option<u32>,
    ) -> Result<()> {
        let data = self.folder.path().join(format!("agent-{lender}"));
        let mut command = Command::new(sibling("medusa-agent")?);
        command
            .args(["run", "--start", "--always", "--no-measure", "--exit-with-stdin"])
            .args(["--port", "0", "--data"])
            .arg(data);
        if let Some(slots) = slots {
            command.args(["--slots", &slots.to_string()]);
        }
        let process = Process::start(&mut command, &self.log(lender))?;
        self.agents.push((lender.to_owned(), process));
        let began = Instant::now();
        while owner.agents().await?.iter().all(|agent| agent.state == AgentState::Offline) {
            if began.elapsed() > PATIENCE {
                bail!("the agent does not connect: see {}", self.log(lender).display());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends the agent of a lender.
    pub(crate) fn leave(&mut self, lender: &str) {
        self.agents.retain(|(name, _)| name != lender);
    }

    /// The number of the process of a lender's agent.
    pub(crate) fn agent_id(&self, lender: &str) -> Option<u32> {
        let agent = self.agents.iter().find(|(name, _)| name == lender);
        agent.map(|(_, process)| process.id())
    }

    /// The number of the server's process.
    pub(crate) fn server_id(&self) -> Option<u32> {
        self.server.as_ref().map(Process::id)
    }

    /// Bytes of memory that the server's process holds.
    pub(crate) fn server_bytes(&self) -> Result<u64> {
        self.server.as_ref().context("the server is stopped")?.resident_bytes()
    }

    /// The address of the database.
    pub(crate) fn database(&self) -> Result<String> {
        Ok(self.ground.as_ref().context("the databases are stopped")?.0.url())
    }

    /// Host and port of the server.
    pub(crate) fn address(&self) -> &str {
        &self.listen
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.agents.clear();
        self.kill9();
        if let Some((postgres, redis)) = self.ground.take() {
            // What cannot be stopped is told by the next start in this folder, which is gone then.
            redis.stop().ok();
            postgres.stop().ok();
        }
    }
}

/// A job of this program over a range of so many numbers, one a chunk.
pub(crate) async fn range_job(
    consumer: &Person,
    text: &str,
    (chunks, copies): (u32, u32),
) -> Result<QuoteRequest> {
    let wasm = wat::parse_str(text)?;
    let blob = consumer.client.upload_bytes(wasm.into()).await?;
    let upload = ProgramUpload { sha256: blob.sha256, name: "guest".into(), runtime: None };
    let program = consumer.client.add_program(&upload).await?.id;
    let spec = JobSpec {
        name: "measured".into(),
        args: Vec::new(),
        split: Split::Range { from: 0, to: chunks.into(), step: Size::Count(1) },
        merge: Vec::new(),
        merge_by: None,
        copies,
        memory_mib: 64,
        strict: false,
        keep_going: false,
        priority: Priority::default(),
        script: None,
    };
    Ok(QuoteRequest { program, input: None, spec })
}
