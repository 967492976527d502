//! Settings of a server: flags before environment before defaults; secrets are files.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use medusa_accounts::MailConfig;
use medusa_api::Tariff;
use medusa_billing::BillingConfig;
use medusa_jobs::domain::TrustRules;
use medusa_platform::Random;

use crate::witness::WitnessAddress;

/// What `serve` is told.
#[derive(Args, Clone)]
pub(crate) struct ServeArgs {
    /// The database; the log stands in it
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// Redis, for what pages see at once
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: String,
    /// Folder of blobs, keys and compiled programs
    #[arg(long, env = "MEDUSA_DATA")]
    pub(crate) data: PathBuf,
    /// Folder of ready-made jobs to offer
    #[arg(long, env = "MEDUSA_EXAMPLES")]
    pub(crate) examples: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, env = "MEDUSA_LISTEN", default_value = "127.0.0.1:7700")]
    pub(crate) listen: SocketAddr,
    /// Address at which other server processes reach this one, as <host>:<port>; needed where it
    /// differs from --listen
    #[arg(long, env = "MEDUSA_ADVERTISE", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) advertise: Option<String>,
    /// Address where the rounds of sessions are taken; port 0 is any free one, and the same again
    /// after a restart
    #[arg(long, env = "MEDUSA_SESSIONS_LISTEN", default_value = "127.0.0.1:0")]
    pub(crate) sessions_listen: SocketAddr,
    /// Address at which clients and agents reach that, like wss://sessions.example.org; needed
    /// where it differs
    #[arg(long, env = "MEDUSA_SESSIONS_URL", value_name = "URL")]
    pub(crate) sessions_url: Option<String>,
    /// Address that people use
    #[arg(long, env = "MEDUSA_PUBLIC_URL", default_value = "http://127.0.0.1:7700")]
    pub(crate) public_url: String,
    /// Name of the log, the origin of its checkpoints
    #[arg(
        long,
        env = "MEDUSA_ORIGIN",
        default_value = "medusa.example/log",
        value_parser = key_name
    )]
    pub(crate) origin: String,
    /// Witness to sign the checkpoints, as <address>=<verifier key>; can be given several times
    #[arg(
        long = "witness",
        env = "MEDUSA_WITNESSES",
        value_name = "ADDRESS=VKEY",
        value_delimiter = ','
    )]
    pub(crate) witnesses: Vec<WitnessAddress>,
    /// Credits that a new person gets
    #[arg(long, env = "MEDUSA_WELCOME", default_value = "100")]
    pub(crate) welcome: medusa_types::Credits,
    /// Prices that differ from the usual ones, as <name>=<number>,…: see docs/operations.md
    #[arg(
        long,
        env = "MEDUSA_TARIFF",
        default_value = "",
        hide_default_value = true,
        value_parser = BillingConfig::tariff_with
    )]
    pub(crate) tariff: Tariff,
    /// Milliseconds that a lost agent may take to come back
    #[arg(long, env = "MEDUSA_AGENT_GRACE_MS", default_value_t = 5_000)]
    pub(crate) agent_grace_ms: u64,
    /// Seconds that input and results of a job are kept after its end, and uploads that no job uses
    #[arg(long, env = "MEDUSA_FILES_KEEP_S", default_value_t = 30 * 24 * 3_600)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..=3_200_000_000))]
    pub(crate) files_keep_s: i64,
    /// Seconds that a blob that nobody needs is set aside before it is gone for good
    #[arg(long, env = "MEDUSA_FILES_ASIDE_S", default_value_t = 24 * 3_600)]
    #[arg(value_parser = clap::value_parser!(i64).range(0..=3_200_000_000))]
    pub(crate) files_aside_s: i64,
    /// Seconds between two looks at what is to be deleted
    #[arg(long, env = "MEDUSA_FILES_SWEEP_S", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) files_sweep_s: u64,
    /// Seconds that chunks under way may take to be reported when this process is told to end
    #[arg(long, env = "MEDUSA_DRAIN_S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub(crate) drain_s: u64,
    /// Rules of trust that differ from the usual ones, as <name>=<number>,…: see docs/trust.md
    #[arg(long, env = "MEDUSA_TRUST", default_value = "", hide_default_value = true)]
    pub(crate) trust: TrustRules,
    /// Where mail goes: `off`, `folder` (files in the folder of blobs and keys) or a mail server as
    /// `smtps://name:password@host`
    #[arg(long, env = "MEDUSA_MAIL", hide_env_values = true, default_value = "folder")]
    pub(crate) mail: String,
    /// Who mail is from
    #[arg(long, env = "MEDUSA_MAIL_FROM", default_value = "Medusa <no-reply@medusa.example>")]
    pub(crate) mail_from: String,
    /// Let webhooks lead into private networks, without TLS; for a house on one's own machine
    #[arg(long, env = "MEDUSA_PRIVATE_WEBHOOKS")]
    pub(crate) private_webhooks: bool,
    /// Accept a database that may lose what it confirmed; for throwaway databases of tests
    #[arg(long)]
    pub(crate) volatile_database: bool,
    /// End when standard input ends
    #[arg(long)]
    pub(crate) exit_with_stdin: bool,
}

impl ServeArgs {
    /// Where other processes reach this one.
    pub(crate) fn reached_at(&self) -> String {
        self.advertise.clone().unwrap_or_else(|| self.listen.to_string())
    }

    /// How mail leaves the house.
    pub(crate) fn mail(&self, data: &DataDir) -> Result<MailConfig> {
        Ok(match self.mail.as_str() {
            "off" => MailConfig::Off,
            "folder" => {
                let folder = data.0.join("mail");
                std::fs::create_dir_all(&folder)
                    .with_context(|| format!("could not make {}", folder.display()))?;
                MailConfig::Folder(folder)
            }
            server => MailConfig::Server(server.to_owned()),
        })
    }
}

/// Where a server's own things are.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the folder and its parts.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        for part in ["blobs", "keys", "compiled"] {
            let path = root.join(part);
            std::fs::create_dir_all(&path)
                .with_context(|| format!("could not make {}", path.display()))?;
        }
        Ok(Self(root.to_owned()))
    }

    /// Blobs by hash.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// Compiled programs.
    pub(crate) fn compiled(&self) -> PathBuf {
        self.0.join("compiled")
    }

    /// Listens at an address; where its port is 0, at the one of the last time if that is free: who
    /// has the address finds it again after a restart.
    pub(crate) fn listen(&self, name: &str, wanted: SocketAddr) -> Result<TcpListener> {
        let path = self.0.join(name);
        let last = || std::fs::read_to_string(&path).ok()?.trim().parse().ok();
        let again = last().filter(|_| wanted.port() == 0);
        let again = again.and_then(|port| TcpListener::bind((wanted.ip(), port)).ok());
        let listener = match again {
            Some(listener) => listener,
            None => TcpListener::bind(wanted)
                .with_context(|| format!("could not listen on {wanted}"))?,
        };
        std::fs::write(&path, listener.local_addr()?.port().to_string())?;
        Ok(listener)
    }

    /// A secret of 32 bytes, drawn at the first start and readable by its owner only.
    pub(crate) fn secret(&self, name: &str, random: &Random) -> Result<[u8; 32]> {
        secret(&self.0.join("keys").join(name), random)
    }
}

fn host_and_port(text: &str) -> Result<String, &'static str> {
    let parts = text.rsplit_once(':').filter(|(host, port)| {
        !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok()
    });
    let wrong = "an address has a host and a port and nothing else, like 10.0.0.7:7700";
    parts.map(|_| text.to_owned()).ok_or(wrong)
}

/// A name that signatures can bear.
pub(crate) fn key_name(text: &str) -> Result<String, &'static str> {
    let wrong = "a name has no spaces and no plus sign, like medusa.example/log";
    if medusa_tlog::is_key_name(text) { Ok(text.to_owned()) } else { Err(wrong) }
}

/// The secret of 32 bytes in this file, drawn if there is none yet. Processes that draw it at the
/// same moment end up with the same one: a file gets its name only when it is whole.
pub(crate) fn secret(path: &Path, random: &Random) -> Result<[u8; 32]> {
    let context = || format!("could not use the key {}", path.display());
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().ok().with_context(context),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            draw(path, random).with_context(context)?;
            std::fs::read(path).with_context(context)?.try_into().ok().with_context(context)
        }
        Err(error) => Err(error).with_context(context),
    }
}

/// Draws a secret, unless somebody was faster.
fn draw(path: &Path, random: &Random) -> std::io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    std::io::Write::write_all(&mut file, &random.secret())?;
    file.sync_all()?;
    let named = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match named {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        named => named,
    }
}
