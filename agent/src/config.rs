//! What the lender may set, on the command line or in the environment, with its defaults.

use std::path::PathBuf;
use std::time::Duration;

/// The port of the local page unless another is asked for.
pub const PAGE_PORT: u16 = 7847;
/// Disk for downloaded blobs.
const BLOB_CACHE_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// A machine that was just started may get work at once.
const MEASURE_AFTER: Duration = Duration::from_secs(20);
/// Whoever pays does so a few times a second.
const UNPAID_MAX: Duration = Duration::from_secs(60);
const NAME_CHARS_MAX: usize = 60;
const MIB: u64 = 1024 * 1024;

/// The arguments of `medusa-agent run`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RunArgs {
    /// The server's address; the one that the machine is enrolled at by default
    #[arg(long, env = "MEDUSA_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Where identity, state and caches are kept [default: medusa-agent in the user's data home]
    #[arg(long, env = "MEDUSA_AGENT_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Chunks to run at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub slots: Option<u32>,
    /// Memory to lend [default: the page's limit for a machine that nobody uses]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(16..=16_777_216))]
    pub memory_mib: Option<u64>,
    /// The machine's name when it is enrolled [default: its host name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Take work at once; without it the agent waits for a press on start, the first time
    #[arg(long)]
    pub start: bool,
    /// Lend whatever the comfort rules say, at the priority of other programs; the switch and a
    /// snooze still hold
    #[arg(long)]
    pub always: bool,
    /// Enrol again, although there is an identity
    #[arg(long)]
    pub enrol: bool,
    /// Certificates, in PEM form, of a private authority that also may vouch for the server
    #[arg(long, env = "MEDUSA_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Port of the local page; 0 takes any free one, a taken one goes on to the next
    #[arg(long, value_name = "P", default_value_t = PAGE_PORT)]
    pub port: u16,
    /// Do not measure this machine's speed when it is idle for the first time
    #[arg(long)]
    pub no_measure: bool,
    /// Exit when standard input ends, for a launcher whose children should die with it
    #[arg(long)]
    pub exit_with_stdin: bool,
    /// Where new versions come from
    #[command(flatten)]
    pub updates: UpdateArgs,
    /// Where the user's programs keep data
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    pub xdg_data_home: Option<PathBuf>,
    /// Where the user's programs keep settings
    #[arg(long, env = "XDG_CONFIG_HOME", hide = true)]
    pub xdg_config_home: Option<PathBuf>,
}

/// Where new versions come from. Whoever offers them, they are signed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct UpdateArgs {
    /// Where new versions are offered; the address that this build was made with by default
    #[arg(long, env = "MEDUSA_UPDATE_FROM", value_name = "URL")]
    pub update_from: Option<String>,
    /// The key that they are signed with. A released build trusts the key that it was made with,
    /// and has no such argument.
    #[cfg(debug_assertions)]
    #[arg(long, env = "MEDUSA_UPDATE_KEY_OF_TESTS", hide = true)]
    pub update_key: Option<String>,
    /// Seconds that a rehearsal may take
    #[cfg(debug_assertions)]
    #[arg(long, hide = true)]
    pub rehearsal_s: Option<u64>,
    /// Seconds between two looks
    #[cfg(debug_assertions)]
    #[arg(long, hide = true)]
    pub update_each_s: Option<u64>,
}

/// Everything an agent is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server, without a slash at the end; otherwise the identity's.
    pub server: Option<String>,
    /// The data directory.
    pub data: PathBuf,
    /// Chunks at the same time.
    pub slots: u32,
    /// Memory that all running chunks share, in bytes, if it is not what the limits say.
    pub memory_bytes: Option<u64>,
    /// The proposed name.
    pub name: String,
    /// Take work at once.
    pub start: bool,
    /// Ignore the comfort rules, and compete with other programs as equals.
    pub always: bool,
    /// Where the system's own files are: `/`.
    pub root: PathBuf,
    /// Enrol although there is an identity.
    pub enrol: bool,
    /// Certificates of a private authority that may vouch for the server too.
    pub ca: Option<PathBuf>,
    /// Port of the local page.
    pub port: u16,
    /// The program that is a worker when it is started with [`Config::worker_args`].
    pub worker: PathBuf,
    /// How to make a worker of it.
    pub worker_args: Vec<String>,
    /// How long the machine is free before its speed is measured; none: never.
    pub measure_after: Option<Duration>,
    /// Where new versions come from.
    pub updates: UpdateArgs,
    /// Whether it only shows that it would work: it takes no work.
    pub rehearses: bool,
    /// The user's own folder, and where the user's programs keep settings, if they are known.
    pub home: Option<PathBuf>,
    /// See `home`.
    pub config_home: Option<PathBuf>,
    /// Disk for downloaded blobs, in bytes.
    pub blob_cache_bytes: u64,
    /// How long rounds of a session are answered before they are paid.
    pub unpaid_max: Duration,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No place for the data directory.
    #[error("the home directory is not known: say where to keep data with --data")]
    NoHome,
    /// The server's address is of another kind.
    #[error("{0} is not an address of a server: it starts with http:// or https://")]
    Server(String),
    /// The own program, which workers are started from, was not found.
    #[error("the path of this program is not known")]
    Program(#[source] std::io::Error),
}

impl RunArgs {
    /// Fills in the defaults of this machine.
    ///
    /// # Errors
    /// [`ConfigError`] says what to set.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let name = self.name.or_else(|| sysinfo::System::host_name().ok()).unwrap_or_default();
        Ok(Config {
            server: self.server.as_deref().map(server_address).transpose()?,
            data: data_dir(self.data, self.xdg_data_home)?,
            slots: self.slots.unwrap_or_else(|| u32::try_from(cores).unwrap_or(1)),
            memory_bytes: self.memory_mib.map(|mib| mib.saturating_mul(MIB)),
            name: proposed_name(&name),
            start: self.start,
            always: self.always,
            root: "/".into(),
            enrol: self.enrol,
            ca: self.ca,
            port: self.port,
            worker: std::env::current_exe().map_err(ConfigError::Program)?,
            worker_args: vec!["worker".into()],
            measure_after: (!self.no_measure).then_some(MEASURE_AFTER),
            updates: self.updates,
            rehearses: false,
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            config_home: config_home(self.xdg_config_home),
            blob_cache_bytes: BLOB_CACHE_BYTES,
            unpaid_max: UNPAID_MAX,
        })
    }
}

/// The address in the one form that identities are compared by.
pub(crate) fn server_address(text: &str) -> Result<String, ConfigError> {
    let bad = || ConfigError::Server(text.to_owned());
    let address = text.trim().trim_end_matches('/');
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(bad());
    }
    Ok(address.to_owned())
}

/// The data directory: the one that was asked for, or the usual one.
pub(crate) fn data_dir(
    data: Option<PathBuf>,
    xdg_data_home: Option<PathBuf>,
) -> Result<PathBuf, ConfigError> {
    match data {
        // A service does not start where this program does.
        Some(data) => Ok(std::path::absolute(&data).unwrap_or(data)),
        None => Ok(data_home(xdg_data_home)?.join("medusa-agent")),
    }
}

/// Where the user's programs keep settings.
pub(crate) fn config_home(xdg: Option<PathBuf>) -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".config"));
    xdg.filter(|dir| dir.is_absolute()).or_else(home)
}

fn data_home(xdg: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    let home = || std::env::home_dir().map(|home| home.join(".local/share"));
    xdg.filter(|dir| dir.is_absolute()).or_else(home).ok_or(ConfigError::NoHome)
}

fn proposed_name(name: &str) -> String {
    let name: String =
        name.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    if name.is_empty() { "machine".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_address_has_one_form() {
        assert_eq!(server_address("http://a:7700/").unwrap(), "http://a:7700");
        assert_eq!(server_address(" https://a/b ").unwrap(), "https://a/b");
        for bad in ["", "a:7700", "ftp://a", "http://", "http:///x", "http://me:pw@a"] {
            assert!(server_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn defaults_are_filled_in() {
        let args = RunArgs { xdg_data_home: Some("/data/home".into()), ..RunArgs::default() };
        let config = args.resolve().unwrap();
        assert_eq!(config.data, PathBuf::from("/data/home/medusa-agent"));
        assert!(config.slots >= 1 && config.memory_bytes.is_none());
        assert!(!config.start && !config.name.is_empty());
    }

    #[test]
    fn a_name_is_short_and_printable() {
        assert_eq!(proposed_name(" de\nsk "), "desk");
        assert_eq!(proposed_name("\n"), "machine");
        assert_eq!(proposed_name(&"x".repeat(99)).len(), 60);
    }
}
