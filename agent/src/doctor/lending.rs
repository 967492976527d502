//! Whether this machine lends now, and what keeps it from that: the agent, its switch, the website,
//! or the limits. A machine whose limits ask for a pause is as it should be.

use medusa_api::Agent;

use super::Check;
use crate::board;
use crate::config::Config;
use crate::rules::{Scope, Verdict};
use crate::{install, os};

const WHAT: &str = "lending";

pub(super) fn look(config: &Config, verdict: &Verdict, about: Option<&Agent>) -> Check {
    let is_on = board::is_on(&config.data);
    if !install::is_running(&config.data) {
        let remedy = match about {
            None => "see `server` and `identity` above, and start it: medusa-agent run",
            Some(_) if is_on => "start it: medusa-agent run",
            Some(_) => "start it, and switch it on: medusa-agent run --start",
        };
        return Check::warn(WHAT, "no agent runs here, so nothing is lent", remedy);
    }
    if !is_on {
        let remedy = "switch it on on its page: `medusa-agent page`";
        return Check::warn(WHAT, "the switch is off, so nothing is lent", remedy);
    }
    let Some(about) = about else {
        let words = "the switch is on, and the server gives no work";
        return Check::warn(WHAT, words, "see `server` and `identity` above");
    };
    if about.remote.paused {
        let words = "its owner stopped it from the website";
        return Check::warn(WHAT, words, "let it go on there, at /app/lend");
    }
    if let Some(until) = about.quarantined_until {
        let until = os::date(u64::try_from(until.micros().div_euclid(1_000_000)).unwrap_or(0));
        let words = format!("it gets no work until {until}, because results of it were wrong");
        return Check::warn(WHAT, words, "see its record on the agent's page: `medusa-agent page`");
    }
    by_limits(verdict)
}

fn by_limits(verdict: &Verdict) -> Check {
    let why: Vec<String> = verdict.why.iter().map(ToString::to_string).collect();
    let why = why.join("; ");
    Check::ok(
        WHAT,
        match verdict.scope {
            Scope::Run if why.is_empty() => "the switch is on".to_owned(),
            Scope::Run => format!("the switch is on: {why}"),
            Scope::Hold => format!("the limits let nothing new begin now: {why}"),
            Scope::Freeze => format!("the limits ask for a pause now: {why}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark;
    use crate::rules::Reason;

    #[test]
    fn a_pause_of_the_limits_is_told_and_is_right() {
        let verdict = |scope, why| Verdict {
            scope,
            slots: 1,
            memory_mib: 512,
            why,
            unknown: Vec::new(),
            next: None,
        };
        let check = by_limits(&verdict(Scope::Freeze, vec![Reason::Snoozed]));
        assert_eq!(check.words, "the limits ask for a pause now: snoozed");
        assert_eq!((check.mark, check.remedy), (Mark::Ok, None));
        assert_eq!(by_limits(&verdict(Scope::Run, Vec::new())).words, "the switch is on");
    }
}
