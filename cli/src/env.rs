//! What is read of the environment beyond clap's options, once, at the start.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;

/// The environment.
#[derive(Debug, Default)]
pub(crate) struct Env {
    /// `MEDUSA_TOKEN`: a secret, so there is no flag for it.
    pub(crate) token: Option<String>,
    /// `NO_COLOR` with any text in it.
    pub(crate) no_color: bool,
    config: Option<PathBuf>,
    cache: Option<PathBuf>,
}

impl Env {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Self {
        let text = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            token: text("MEDUSA_TOKEN").and_then(|token| token.into_string().ok()),
            no_color: text("NO_COLOR").is_some(),
            cache: text("MEDUSA_CACHE").map(PathBuf::from).or_else(|| cache_folder(text)),
            config: text("MEDUSA_CONFIG").map(PathBuf::from).or_else(|| config_folder(text)),
        }
    }

    /// Where tokens are kept. `MEDUSA_CONFIG` names another folder.
    pub(crate) fn tokens_file(&self) -> anyhow::Result<PathBuf> {
        let folder = self.config.as_ref().context(
            "there is no home folder to keep the token in; set MEDUSA_CONFIG to a folder",
        )?;
        Ok(folder.join("tokens.json"))
    }

    /// Where compiled programs are kept. `MEDUSA_CACHE` names another folder.
    pub(crate) fn compiled_folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.cache.as_ref().context(
            "there is no home folder to keep compiled programs in; set MEDUSA_CACHE to a folder",
        )?;
        Ok(folder.join("compiled"))
    }
}

fn config_folder(text: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if cfg!(windows) {
        return text("APPDATA").map(|folder| PathBuf::from(folder).join("medusa"));
    }
    let base = text("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let in_home = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(in_home)));
    base.map(|base| base.join("medusa"))
}

fn cache_folder(text: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if cfg!(windows) {
        return text("LOCALAPPDATA").map(|folder| PathBuf::from(folder).join("medusa"));
    }
    let base = text("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let in_home = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let base = base.or_else(|| std::env::home_dir().map(|home| home.join(in_home)));
    base.map(|base| base.join("medusa"))
}
