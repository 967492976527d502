//! What each system calls a program that starts with its user: where the definition lies, what it
//! says, and which commands tell the system about it. Plain data, so that all three are tested on
//! any of them. The texts are those of `dist/`, with the paths of this machine.

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError};

/// The texts, in which one place is replaced.
const UNIT: &str = include_str!("../../../dist/medusa-agent.service");
const UNIT_RUN: &str = "/usr/bin/medusa-agent run";
const PLIST: &str = include_str!("../../../dist/macos/org.medusa.agent.plist");
const PLIST_RUN: &str = "<string>/usr/local/bin/medusa-agent</string>\n\t\t<string>run</string>";
const TASK: &str = include_str!("../../../dist/windows/medusa-agent.xml");
const TASK_PROGRAM: &str = r"<Command>C:\Program Files\Medusa\medusa-agent.exe</Command>";
const TASK_RUN: &str = "<Arguments>run</Arguments>";
const TASK_NAME: &str = "Medusa Agent";

/// The kinds of systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    MacOs,
    Windows,
}

/// Where things of one user are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The user's own folder.
    pub(crate) home: PathBuf,
    /// Where the user's programs keep settings, on Linux.
    pub(crate) config: PathBuf,
    /// The agent's data directory.
    pub(crate) data: PathBuf,
    /// The program that is to be started.
    pub(crate) program: PathBuf,
    /// The server, while the machine is not enrolled.
    pub(crate) server: Option<String>,
    /// Certificates that also may vouch for it.
    pub(crate) ca: Option<PathBuf>,
}

impl Places {
    /// Those of an agent with this configuration, for its user.
    ///
    /// # Errors
    /// When the user has no home.
    pub(crate) fn of(config: &Config) -> Result<Self, ConfigError> {
        let home = config.home.clone().ok_or(ConfigError::NoHome)?;
        Ok(Self {
            config: config.config_home.clone().unwrap_or_else(|| home.join(".config")),
            home,
            data: config.data.clone(),
            program: config.worker.clone(),
            server: config.server.clone(),
            ca: config.ca.clone(),
        })
    }

    /// What the program is started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut args = vec!["run".to_owned(), "--data".into(), text(&self.data)];
        if let Some(server) = &self.server {
            args.extend(["--server".to_owned(), server.clone()]);
        }
        if let Some(ca) = &self.ca {
            args.extend(["--ca".to_owned(), text(ca)]);
        }
        args
    }
}

/// How a system starts the agent with its user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// The definition's file.
    pub(crate) file: PathBuf,
    /// What it says.
    pub(crate) content: String,
    /// The link that turns it on; without one, the file itself does.
    pub(crate) link: Option<PathBuf>,
    /// Tells the system that it was turned on, or is not any more.
    pub(crate) on: Vec<Vec<String>>,
    pub(crate) off: Vec<Vec<String>>,
    /// Starts it now, also when it runs already.
    pub(crate) start: Vec<Vec<String>>,
    /// Ends it now.
    pub(crate) stop: Vec<Vec<String>>,
}

impl System {
    /// This one.
    pub(crate) const fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }

    /// Where an installed program lies that came without an installer.
    pub(crate) fn program(self, home: &Path) -> PathBuf {
        match self {
            Self::Windows => home.join("AppData/Local/Programs/Medusa/bin/medusa-agent.exe"),
            Self::Linux | Self::MacOs => home.join(".local/bin/medusa-agent"),
        }
    }

    /// How it starts the agent.
    pub(crate) fn service(self, places: &Places) -> Service {
        match self {
            Self::Linux => linux(places),
            Self::MacOs => macos(places),
            Self::Windows => windows(places),
        }
    }
}

fn linux(places: &Places) -> Service {
    let units = places.config.join("systemd/user");
    let words = std::iter::once(text(&places.program)).chain(places.arguments());
    let line: Vec<String> = words.map(|word| quoted(&word)).collect();
    let systemctl = |args: &str| command(&format!("systemctl --user {args}"));
    Service {
        file: units.join("medusa-agent.service"),
        content: UNIT.replace(UNIT_RUN, &line.join(" ")),
        link: Some(units.join("default.target.wants/medusa-agent.service")),
        on: vec![systemctl("daemon-reload")],
        off: vec![systemctl("daemon-reload")],
        start: vec![systemctl("daemon-reload"), systemctl("restart medusa-agent.service")],
        stop: vec![systemctl("stop medusa-agent.service")],
    }
}

fn macos(places: &Places) -> Service {
    let file = places.home.join("Library/LaunchAgents/org.medusa.agent.plist");
    let words = std::iter::once(text(&places.program)).chain(places.arguments());
    let lines: Vec<String> =
        words.map(|word| format!("<string>{}</string>", escaped(&word))).collect();
    let launchctl = |args: &[&str]| {
        let words = std::iter::once("launchctl").chain(args.iter().copied());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let path = text(&file);
    Service {
        content: PLIST.replace(PLIST_RUN, &lines.join("\n\t\t")),
        link: None,
        // A definition is read at the next login.
        on: Vec::new(),
        off: Vec::new(),
        start: vec![launchctl(&["load", &path]), launchctl(&["start", "org.medusa.agent"])],
        stop: vec![launchctl(&["unload", &path])],
        file,
    }
}

fn windows(places: &Places) -> Service {
    let file = places.data.join("medusa-agent.xml");
    let command_line: Vec<String> = places.arguments().iter().map(|word| in_quotes(word)).collect();
    let program = format!("<Command>{}</Command>", escaped(&text(&places.program)));
    let run = format!("<Arguments>{}</Arguments>", escaped(&command_line.join(" ")));
    let schtasks = |args: &[&str]| {
        let words = ["schtasks", args.first().copied().unwrap_or_default(), "/TN", TASK_NAME];
        let words = words.into_iter().chain(args.iter().skip(1).copied());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    Service {
        content: TASK.replace(TASK_PROGRAM, &program).replace(TASK_RUN, &run),
        link: None,
        on: vec![schtasks(&["/Create", "/F", "/XML", &text(&file)])],
        off: vec![schtasks(&["/Delete", "/F"])],
        start: vec![schtasks(&["/Run"])],
        stop: vec![schtasks(&["/End"])],
        file,
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn command(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// A word of a unit's command line.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let inner = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", inner.replace('%', "%%").replace('$', "$$"))
}

/// A word of a Windows command line; paths and addresses have no quotes in them.
fn in_quotes(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

/// Text in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            home: "/home/a b".into(),
            config: "/home/a b/.config".into(),
            data: "/home/a b/100%".into(),
            program: "/home/a b/.local/bin/medusa-agent".into(),
            server: Some("https://a/?b&c".into()),
            ca: Some("/etc/ca.pem".into()),
        }
    }

    #[test]
    fn a_unit_starts_the_program_with_its_data() {
        let service = System::Linux.service(&places());
        assert!(service.file.ends_with(".config/systemd/user/medusa-agent.service"));
        let line = service.content.lines().find(|line| line.starts_with("ExecStart="));
        assert_eq!(
            line.unwrap(),
            "ExecStart=\"/home/a b/.local/bin/medusa-agent\" run --data \"/home/a b/100%%\" \
             --server \"https://a/?b&c\" --ca /etc/ca.pem"
        );
        assert!(!service.content.contains(UNIT_RUN));
    }

    #[test]
    fn a_launch_agent_has_one_word_a_line() {
        let content = System::MacOs.service(&places()).content;
        for word in ["/home/a b/.local/bin/medusa-agent", "--data", "https://a/?b&amp;c"] {
            assert!(content.contains(&format!("\t\t<string>{word}</string>\n")), "{word}");
        }
        assert!(!content.contains("/usr/local/bin"));
    }

    #[test]
    fn a_task_quotes_what_has_spaces() {
        let service = System::Windows.service(&places());
        assert!(service.content.contains(
            "<Arguments>run --data \"/home/a b/100%\" --server https://a/?b&amp;c --ca /etc/ca.pem</Arguments>"
        ));
        assert!(service.content.contains("<Command>/home/a b/.local/bin/medusa-agent</Command>"));
        let first = service.on.first().unwrap();
        assert_eq!(first[..4], ["schtasks", "/Create", "/TN", TASK_NAME].map(str::to_owned));
    }

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(quoted("/usr/bin/medusa-agent"), "/usr/bin/medusa-agent");
        assert_eq!(quoted("a\"$b\\"), "\"a\\\"$$b\\\\\"");
    }
}
