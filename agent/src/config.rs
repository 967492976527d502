//! What the lender may set, on the command line or in the environment, with its defaults.

use std::path::PathBuf;

/// The port of the local page unless another is asked for.
pub const PAGE_PORT: u16 = 7847;
/// Disk for downloaded blobs.
const BLOB_CACHE_BYTES: u64 = 4 * 1024 * 1024 * 1024;
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
    /// Lend whatever the comfort rules say; the switch and a snooze still hold
    #[arg(long)]
    pub always: bool,
    /// Enrol again, although there is an identity
    #[arg(long)]
    pub enrol: bool,
    /// Port of the local page; 0 takes any free one, a taken one goes on to the next
    #[arg(long, value_name = "P", default_value_t = PAGE_PORT)]
    pub port: u16,
    /// Exit when standard input ends, for a launcher whose children should die with it
    #[arg(long)]
    pub exit_with_stdin: bool,
    /// Where the user's programs keep data
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    pub xdg_data_home: Option<PathBuf>,
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
    /// Ignore the comfort rules.
    pub always: bool,
    /// Where the system's own files are: `/`.
    pub root: PathBuf,
    /// Enrol although there is an identity.
    pub enrol: bool,
    /// Port of the local page.
    pub port: u16,
    /// The program that is a worker when it is started with [`Config::worker_args`].
    pub worker: PathBuf,
    /// How to make a worker of it.
    pub worker_args: Vec<String>,
    /// Disk for downloaded blobs, in bytes.
    pub blob_cache_bytes: u64,
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
            data: match self.data {
                Some(data) => data,
                None => data_home(self.xdg_data_home)?.join("medusa-agent"),
            },
            slots: self.slots.unwrap_or_else(|| u32::try_from(cores).unwrap_or(1)),
            memory_bytes: self.memory_mib.map(|mib| mib.saturating_mul(MIB)),
            name: proposed_name(&name),
            start: self.start,
            always: self.always,
            root: "/".into(),
            enrol: self.enrol,
            port: self.port,
            worker: std::env::current_exe().map_err(ConfigError::Program)?,
            worker_args: vec!["worker".into()],
            blob_cache_bytes: BLOB_CACHE_BYTES,
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
