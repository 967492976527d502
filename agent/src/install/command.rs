//! Commands of the system's own service manager, which may not be there or not answer.

use std::process::{Command, Stdio};

/// Runs all of them, and says whether each succeeded. What they print is not for the user.
pub(crate) fn all(commands: &[Vec<String>]) -> bool {
    commands.iter().all(|words| run(words))
}

fn run(words: &[String]) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_done = command.status().is_ok_and(|status| status.success());
    if !is_done {
        tracing::debug!(command = words.join(" "), "the service manager did not do it");
    }
    is_done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every system has this program, which fails when it does not know its argument.
    #[test]
    fn one_that_fails_or_is_not_there_is_told() {
        let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let words = |argument: &str| vec![own.clone(), argument.to_owned()];
        assert!(all(&[words("--list"), words("--help")]));
        assert!(!all(&[words("--list"), words("--no-such-argument")]));
        assert!(!all(&[vec!["/no/such/program".into()]]) && !all(&[Vec::new()]));
    }
}
