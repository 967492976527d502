//! `page`: the link to the page of the agent that runs here, printed or opened.
//!
//! The link is good for one visit, so it is read anew each time. Whoever opens it hands it to the
//! system's opener, where other users of the machine can see it for a moment.

use std::path::Path;
use std::process::{Child, ExitCode};
use std::time::Duration;

use crate::config::Config;
use crate::{install, os};

/// How long the link, and then the browser, is waited for.
const EACH: Duration = Duration::from_millis(200);
const TRIES: u32 = 25;

/// Prints the link, and opens it if asked to.
pub(super) fn run(config: &Config, open: bool) -> anyhow::Result<ExitCode> {
    if !install::is_running(&config.data) {
        let data = config.data.display();
        anyhow::bail!(
            "no agent runs with the data in {data}: `medusa-agent` starts one, and --data names \
             another place"
        );
    }
    let Some(link) = link(&config.data) else {
        anyhow::bail!("an agent runs, and has no page yet: try again, or end it and start it anew");
    };
    super::say(&link)?;
    if open && !os::open_link(&link).is_ok_and(is_opened) {
        anyhow::bail!("no browser could be opened here: open the link above in one yourself");
    }
    Ok(ExitCode::SUCCESS)
}

/// The next link of an agent that runs, or was just started.
pub(super) fn link(data: &Path) -> Option<String> {
    for _ in 0..TRIES {
        let link = std::fs::read_to_string(data.join("page.url")).unwrap_or_default();
        if !link.is_empty() {
            return Some(link.trim().to_owned());
        }
        std::thread::sleep(EACH);
    }
    None
}

/// Whether the opener worked. One that goes on is the browser itself.
fn is_opened(mut opener: Child) -> bool {
    for _ in 0..TRIES {
        match opener.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(EACH),
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_next_link_is_read() {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join("page.url"), "http://127.0.0.1:1/#a\n").unwrap();
        assert_eq!(link(scratch.path()).as_deref(), Some("http://127.0.0.1:1/#a"));
    }

    #[cfg(unix)]
    #[test]
    fn an_opener_that_fails_is_told() {
        let opener = |program: &str| std::process::Command::new(program).spawn().unwrap();
        assert!(is_opened(opener("true")));
        assert!(!is_opened(opener("false")));
    }
}
