//! What the machine measures and what its limits come to, in words and with a bar where there is
//! an end to it.

use serde::Serialize;

use crate::rules::clock::Local;
use crate::rules::{Scope, Verdict};
use crate::state::{Connection, Phase, View};

/// One number of the machine.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gauge {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// Now and at most, for a bar; no bar when the most is 0.
    pub(crate) now: u64,
    pub(crate) most: u64,
}

/// All of them.
pub(crate) fn gauges(view: &View) -> Vec<Gauge> {
    let readings = &view.readings;
    let is_running = |phase: Phase| matches!(phase, Phase::Running(_));
    let running = view.chunks.values().filter(|chunk| is_running(chunk.phase)).count();
    let running = u64::try_from(running).unwrap_or(u64::MAX);
    let allowed = view.verdict.as_ref().map(|verdict| verdict.slots).filter(|slots| *slots > 0);
    let slots = u64::from(allowed.unwrap_or(view.slots));
    let load = readings.load_pct;
    let heat = readings.heat_c;
    vec![
        bar("computing", Some(format!("{running} of {slots}")), Some(running), slots),
        bar("other programs", load.map(|pct| format!("{pct} %")), load.map(u64::from), 100),
        bar(
            "temperature",
            heat.map(|heat| format!("{heat} °C")),
            heat.and_then(|heat| u64::try_from(heat).ok()),
            110,
        ),
        text("last used", readings.idle_s.map(used)),
        text(
            "power",
            readings.on_battery.map(|is| if is { "battery" } else { "mains" }.to_owned()),
        ),
        text("free disk", readings.disk_free_mb.map(gigabytes)),
    ]
}

/// What would happen if the switch were on.
pub(crate) fn would(view: &View, now: Local) -> String {
    match view.connection {
        Connection::Revoked => "nothing: the server refuses this machine.".into(),
        Connection::AskingForCode | Connection::Code { .. } => {
            "nothing: this machine is not enrolled yet.".into()
        }
        _ => rules(view.verdict.as_ref(), now),
    }
}

/// What the rules would let it do, whatever the switch says.
fn rules(verdict: Option<&Verdict>, now: Local) -> String {
    let Some(verdict) = verdict else { return "it would look at the machine first.".into() };
    let why: Vec<_> = verdict.why.iter().map(ToString::to_string).collect();
    let why = why.join(", ");
    let until = verdict.next.map_or_else(String::new, |at| {
        let then = now.later(at.saturating_sub(now.unix));
        format!(", until {} at least", then.in_words(now))
    });
    match verdict.scope {
        Scope::Freeze => format!("it would stand still: {why}{until}."),
        Scope::Hold => format!("it would finish what it has and take nothing new: {why}{until}."),
        Scope::Run => {
            let (slots, mib) = (chunks(verdict.slots), verdict.memory_mib);
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            format!("it would compute up to {slots} at a time, with {mib} MiB of memory{why}.")
        }
    }
}

/// What is not known here, as a list in words.
pub(crate) fn unknown(verdict: Option<&Verdict>) -> String {
    let unknown = verdict.map_or(&[][..], |verdict| &verdict.unknown);
    unknown.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// So many chunks, in words.
pub(crate) fn chunks(n: u32) -> String {
    if n == 1 { "1 chunk".into() } else { format!("{n} chunks") }
}

fn bar(name: &'static str, text: Option<String>, now: Option<u64>, most: u64) -> Gauge {
    let (now, most) = now.map_or((0, 0), |now| (now.min(most), most));
    Gauge { name, text: text.unwrap_or_else(not_known), now, most }
}

fn text(name: &'static str, text: Option<String>) -> Gauge {
    bar(name, text, None, 0)
}

fn not_known() -> String {
    "not known here".into()
}

fn used(idle_s: u64) -> String {
    match idle_s {
        u64::MAX => "nobody is logged in".into(),
        0..60 => "now".into(),
        60..7_200 => format!("{} min ago", idle_s.checked_div(60).unwrap_or_default()),
        _ => format!("{} h ago", idle_s.checked_div(3_600).unwrap_or_default()),
    }
}

fn gigabytes(mb: u64) -> String {
    let tenths = mb.checked_div(100).unwrap_or_default();
    let whole = tenths.checked_div(10).unwrap_or_default();
    format!("{whole}.{} GB", tenths.checked_rem(10).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Reason, Unknown};

    const NOW: Local = Local { unix: 1_000, weekday: 0, hour: 12, second: 0 };

    fn verdict(scope: Scope, why: Vec<Reason>, next: Option<u64>) -> Verdict {
        let unknown = vec![Unknown::Heat, Unknown::Load];
        Verdict { scope, slots: 2, memory_mib: 512, why, unknown, next }
    }

    #[test]
    fn the_rules_explain_themselves() {
        let fewer = Reason::Fewer { slots: 2, of: 4, is_idle: false };
        let run = verdict(Scope::Run, vec![fewer], None);
        assert_eq!(
            rules(Some(&run), NOW),
            "it would compute up to 2 chunks at a time, with 512 MiB of memory \
             (2 of 4 at a time, because somebody uses the machine)."
        );
        let snoozed = verdict(Scope::Freeze, vec![Reason::Snoozed], Some(1_000 + 3_600));
        assert_eq!(
            rules(Some(&snoozed), NOW),
            "it would stand still: snoozed, until 13:00 at least."
        );
        let hold = verdict(Scope::Hold, vec![Reason::Metered], None);
        assert!(rules(Some(&hold), NOW).contains("take nothing new: the connection"));
        assert_eq!(unknown(Some(&hold)), "its temperature, what other programs need");
        assert_eq!(unknown(None), "");
    }

    #[test]
    fn numbers_are_told_in_their_units() {
        assert_eq!([0, 1, 2].map(chunks), ["0 chunks", "1 chunk", "2 chunks"]);
        assert_eq!(
            [0, 59, 60, 7_199, 7_200].map(used),
            ["now", "now", "1 min ago", "119 min ago", "2 h ago"]
        );
        assert_eq!(used(u64::MAX), "nobody is logged in");
        assert_eq!([0, 999, 90_461].map(gigabytes), ["0.0 GB", "0.9 GB", "90.4 GB"]);
    }

    #[test]
    fn what_is_not_known_has_no_bar() {
        assert_eq!(bar("a", None, None, 100), text("a", None));
        assert_eq!(bar("a", Some("b".into()), Some(120), 100).now, 100);
    }
}
