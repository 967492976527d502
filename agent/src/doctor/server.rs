//! How the server is, and whether it knows this machine.

use medusa_api::Agent;

use super::Check;
use crate::config::Config;
use crate::identity::Identity;
use crate::server::Server;
use crate::{chance, install};

/// Clocks of server and machine may differ by this.
const SKEW_S_MAX: u64 = 60;

/// How the server is, and what it says about this machine.
pub(super) async fn look(config: &Config) -> (Vec<Check>, Option<Agent>) {
    let what = "server";
    let found = |check: Check| (vec![check], None);
    let identity = match Identity::load(&config.data) {
        Ok(identity) => identity,
        Err(error) => {
            // What is wrong with the file names the way out.
            let error = format!("{:#}", anyhow::Error::new(error));
            let remedy = "or let the file belong to the user of the agent, and only to that user";
            return found(Check::fail("identity", error, remedy));
        }
    };
    let known = identity.as_ref().map(|identity| identity.server.clone());
    let Some(address) = config.server.clone().or(known) else {
        return found(Check::fail(
            what,
            "this machine is not enrolled anywhere yet",
            "start the agent with the server's address: medusa-agent run --server https://…",
        ));
    };
    let server = match Server::trusting(&address, config.ca.as_deref()) {
        Ok(server) => server,
        Err(error) => {
            let remedy = "--ca names a file of certificates in PEM form that can be read";
            return found(Check::fail(what, error.to_string(), remedy));
        }
    };
    let date = match server.health().await {
        Ok(date) => date,
        Err(error) => {
            let words = format!("{address} cannot be reached: {error}");
            return found(Check::fail(what, words, out_of_reach(config)));
        }
    };
    let mut checks = vec![if is_open(&address) {
        let words = format!("{address} answers, and others on the way can read along");
        Check::warn(what, words, "use an address with https://")
    } else {
        Check::ok(what, format!("{address} answers"))
    }];
    checks.extend(date.as_deref().and_then(unix).map(|then| clock(then, chance::unix_seconds())));
    let (check, about) = match identity.filter(|identity| identity.server == address) {
        None => (not_enrolled(config, &address), None),
        Some(identity) => known_to(&server, &identity, config).await,
    };
    checks.push(check);
    (checks, about)
}

/// What to do when the server does not answer.
fn out_of_reach(config: &Config) -> &'static str {
    if install::is_running(&config.data) {
        "see whether this machine is online: the agent tries again by itself, and keeps its results"
    } else {
        "see whether this machine is online, and the address is right"
    }
}

fn not_enrolled(config: &Config, address: &str) -> Check {
    let remedy = if install::is_running(&config.data) {
        "its page shows a code to confirm: `medusa-agent page`".to_owned()
    } else {
        format!("medusa-agent run --server {address} shows a code to confirm")
    };
    Check::warn("identity", "this machine is not enrolled there yet", remedy)
}

/// Whether the server knows this machine.
async fn known_to(server: &Server, identity: &Identity, config: &Config) -> (Check, Option<Agent>) {
    let what = "identity";
    match server.with_key(&identity.agent_key).account().await {
        Ok(about) => {
            let words = format!("{} ({})", identity.name, identity.agent);
            (Check::ok(what, words), Some(about))
        }
        Err(error) if error.may_pass() => {
            let words = format!("the server did not say whether it knows this machine: {error}");
            (Check::fail(what, words, "try again in a minute"), None)
        }
        Err(error) => {
            let words = format!("the server does not accept this machine's key: {error}");
            // An agent that was refused still shows its page, or has ended.
            let remedy = if install::is_running(&config.data) {
                "enrol again on the agent's page: `medusa-agent page`"
            } else {
                "enrol again: medusa-agent run --enrol"
            };
            (Check::fail(what, words, remedy), None)
        }
    }
}

/// Whether what is said to this address can be read on the way.
fn is_open(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("http://") else { return false };
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    host != "localhost" && !host.starts_with("127.") && !rest.starts_with("[::1]")
}

/// The time that a `Date` header says.
fn unix(date: &str) -> Option<u64> {
    let zoned = jiff::fmt::rfc2822::parse(date).ok()?;
    u64::try_from(zoned.timestamp().as_second()).ok()
}

fn clock(server: u64, here: u64) -> Check {
    let skew = server.abs_diff(here);
    if skew <= SKEW_S_MAX {
        return Check::ok("clock", "the server's time is the same");
    }
    let way = if here > server { "ahead of" } else { "behind" };
    Check::warn(
        "clock",
        format!("this machine is {skew} s {way} the server"),
        "set the clock: hours of the week and certificates go by it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark;

    #[test]
    fn clocks_may_differ_a_little() {
        let then = unix("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(then, 784_111_777);
        assert_eq!(clock(then, then + 60).mark, Mark::Ok);
        let behind = clock(then, then - 61);
        assert_eq!(behind.mark, Mark::Warn);
        assert_eq!(behind.words, "this machine is 61 s behind the server");
        assert_eq!(unix("yesterday"), None);
    }

    #[test]
    fn only_a_far_server_needs_tls() {
        for fine in ["https://a", "http://127.0.0.1:7700", "http://localhost", "http://[::1]:1"] {
            assert!(!is_open(fine), "{fine}");
        }
        assert!(is_open("http://a.example:7700/x") && is_open("http://localhost.example"));
    }
}
