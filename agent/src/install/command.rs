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

    #[cfg(unix)]
    #[test]
    fn one_that_fails_or_is_not_there_is_told() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(all(&[words("true"), words("test -n a")]));
        assert!(!all(&[words("true"), words("false")]));
        assert!(!all(&[words("/no/such/program")]) && !all(&[Vec::new()]));
    }
}
