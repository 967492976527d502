//! What connected agents say of themselves, for their owners.

use std::collections::BTreeMap;

use actix::prelude::*;
use medusa_api::{AgentLimits, AgentNow};
use medusa_protocol::Hello;
use medusa_types::AgentId;

use super::scheduler::Scheduler;

/// Runs of one agent at the same time.
const SLOTS_MAX: u32 = 256;
/// Characters of a name that an agent gives its program or its engine.
const NAME_CHARS_MAX: usize = 80;

/// What an agent said of itself last.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    software: String,
    engine: Option<String>,
    system: String,
    speed: Option<(u64, u64)>,
    /// What it said when it came.
    offered: (u32, u64),
    /// What it says now.
    pub(super) slots: u32,
    pub(super) memory_bytes: u64,
    pub(super) paused: bool,
    pub(super) why: Option<String>,
}

impl About {
    pub(super) fn of(hello: &Hello) -> Self {
        let slots = hello.slots.clamp(1, SLOTS_MAX);
        Self {
            software: plain_line(&hello.software, NAME_CHARS_MAX),
            engine: hello.engine.as_deref().map(|name| plain_line(name, NAME_CHARS_MAX)),
            system: plain_line(&format!("{} {}", hello.os, hello.arch), NAME_CHARS_MAX),
            speed: hello.speed.map(|speed| (speed.one, speed.all)),
            offered: (slots, hello.memory_bytes),
            slots,
            memory_bytes: hello.memory_bytes,
            paused: hello.paused,
            why: None,
        }
    }

    /// It lends so much now; never more than it offered.
    pub(super) fn lends(&mut self, slots: Option<u32>, memory_bytes: Option<u64>) {
        let (slots_max, memory_max) = self.offered;
        self.slots = slots.unwrap_or(slots_max).clamp(1, slots_max);
        self.memory_bytes = memory_bytes.unwrap_or(memory_max).min(memory_max);
    }

    /// What it may be given: paused, slots, memory, with what its owner asked for.
    pub(super) fn within(&self, remote: &AgentLimits) -> (bool, u32, u64) {
        let slots = self.slots.min(remote.slots.unwrap_or(SLOTS_MAX)).max(1);
        let memory_bytes = self.memory_bytes.min(remote.memory_bytes.unwrap_or(u64::MAX));
        (self.paused || remote.paused, slots, memory_bytes)
    }

    fn now(&self, remote: &AgentLimits) -> AgentNow {
        let (_, slots, memory_bytes) = self.within(remote);
        AgentNow {
            software: self.software.clone(),
            engine: self.engine.clone(),
            system: self.system.clone(),
            slots,
            memory_bytes,
            fuel_per_s: self.speed.map(|(one, _)| one),
            fuel_per_s_all: self.speed.map(|(_, all)| all),
            why: self.why.clone(),
        }
    }
}

/// What an agent says of itself, on one line and without what could steer a reader's terminal or
/// show other words than are there.
pub(super) fn plain_line(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control() && !is_format(*c)).take(chars_max).collect()
}

/// Whether a character is not seen, but changes how others are: Unicode's separators of lines and
/// paragraphs, and its format characters (category Cf).
const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// What these agents say of themselves, as far as they are connected.
#[derive(Message)]
#[rtype(result = "BTreeMap<AgentId, AgentNow>")]
pub(crate) struct SeenOf(pub(crate) Vec<AgentId>);

impl Handler<SeenOf> for Scheduler {
    type Result = MessageResult<SeenOf>;

    fn handle(&mut self, msg: SeenOf, _: &mut Self::Context) -> Self::Result {
        let seen = msg.0.into_iter().filter_map(|agent| {
            let link = self.workers.get(&agent)?;
            Some((agent, link.about.now(&link.remote)))
        });
        MessageResult(seen.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_more_than_he_offered_or_his_owner_allows() {
        let hello = Hello { slots: 8, memory_bytes: 100, ..Hello::default() };
        let mut about = About::of(&hello);
        let free = AgentLimits::default();
        assert_eq!(about.within(&free), (false, 8, 100));
        about.lends(Some(20), Some(1_000));
        assert_eq!(about.within(&free), (false, 8, 100));
        about.lends(Some(4), Some(60));
        let remote = AgentLimits { paused: true, slots: Some(2), memory_bytes: Some(80) };
        assert_eq!(about.within(&remote), (true, 2, 60));
        about.lends(None, None);
        assert_eq!(about.within(&remote), (true, 2, 80));
        assert_eq!(About::of(&Hello::default()).within(&free).1, 1);
    }

    #[test]
    fn what_an_agent_says_is_shown_as_it_is_written() {
        let said =
            "in\u{202e}use\u{2066} \u{200b}by\n\u{1b}[31m\u{2028} caf\u{e9}\u{feff}\u{e0041}";
        assert_eq!(plain_line(said, 100), "inuse by[31m caf\u{e9}");
        assert_eq!(plain_line("abcdef", 3), "abc");
    }
}
