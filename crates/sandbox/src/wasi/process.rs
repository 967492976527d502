//! Arguments, environment, clock, randomness, sleep and exit.
//!
//! The clock is virtual: it starts where the task says and moves by a fixed step at each question,
//! and by the asked time at each sleep, which returns at once. Randomness is SHA-256 in counter
//! mode over the task's seed.

use medusa_types::{STDERR_CUT, Sha256Hash};

use super::guest::len32;
use super::{Call, len64};
use crate::meter;
use crate::stop::{Ending, Errno, Sys};

/// How far the clock moves at each question. Coarse, so that it measures nothing.
const CLOCK_STEP_NS: u64 = 1_000_000;
/// The most random bytes in one call.
const RANDOM_BYTES_MAX: u32 = 64 << 10;
/// The most things to wait for in one call.
const SUBSCRIPTIONS_MAX: u32 = 1_024;
const REALTIME: u32 = 0;
const CLOCKS: u32 = 4;

#[derive(Debug)]
pub(crate) struct Clock {
    start_ns: u64,
    elapsed_ns: u64,
}

impl Clock {
    pub(super) fn new(start_ms: u64) -> Self {
        Self { start_ns: start_ms.saturating_mul(1_000_000), elapsed_ns: 0 }
    }

    /// When everything was made and last changed, as far as a guest can see.
    pub(super) const fn start_ns(&self) -> u64 {
        self.start_ns
    }

    fn pass(&mut self, ns: u64) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(ns);
    }

    /// Wall clock time, or the time since the start for every other clock.
    fn read(&self, clock: u32) -> u64 {
        let base = if clock == REALTIME { self.start_ns } else { 0 };
        base.saturating_add(self.elapsed_ns)
    }
}

#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    fn fill(&mut self, mut target: &mut [u8]) {
        while !target.is_empty() {
            if self.used == self.block.len() {
                let mut input = b"medusa guest randomness".to_vec();
                input.extend(self.seed.to_le_bytes());
                input.extend(self.counter.to_le_bytes());
                self.counter = self.counter.wrapping_add(1);
                self.block = Sha256Hash::of(&input).0;
                self.used = 0;
            }
            let fresh = self.block.get(self.used..).unwrap_or_default();
            let len = fresh.len().min(target.len());
            let (now, later) = target.split_at_mut(len);
            now.copy_from_slice(fresh.get(..len).unwrap_or_default());
            self.used = self.used.saturating_add(len);
            target = later;
        }
    }
}

/// The end of standard error. It matters most: a crash is explained in the last lines.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    keep: usize,
    dropped: bool,
}

impl Tail {
    pub(super) fn new(keep: u64) -> Self {
        Self {
            bytes: Vec::new(),
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
            dropped: false,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let new = bytes.get(bytes.len().saturating_sub(self.keep)..).unwrap_or_default();
        self.dropped |= new.len() < bytes.len();
        self.bytes.extend_from_slice(new);
        // Twice the size before cutting, so that cutting is rare.
        if self.bytes.len() > self.keep.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.keep);
        self.dropped |= excess > 0;
        self.bytes.drain(..excess);
    }

    /// What was kept, as text that is safe to show: control characters would reach terminals.
    pub(crate) fn into_text(mut self) -> String {
        self.cut();
        let text = String::from_utf8_lossy(&self.bytes);
        let shown = text.chars().filter(|c| *c != '\r').map(|c| {
            if c.is_control() && !matches!(c, '\n' | '\t') {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        });
        let note = if self.dropped { STDERR_CUT } else { "" };
        note.chars().chain(shown).collect()
    }
}

pub(super) fn args_sizes_get(call: &mut Call<'_>, count: u32, bytes: u32) -> Sys<()> {
    let sizes = sizes(&call.host.args)?;
    put_pair(call, (count, bytes), sizes)
}

pub(super) fn args_get(call: &mut Call<'_>, list: u32, text: u32) -> Sys<()> {
    let strings = std::mem::take(&mut call.host.args);
    let answer = put_strings(call, &strings, list, text);
    call.host.args = strings;
    answer
}

pub(super) fn environ_sizes_get(call: &mut Call<'_>, count: u32, bytes: u32) -> Sys<()> {
    let sizes = sizes(&call.host.env)?;
    put_pair(call, (count, bytes), sizes)
}

pub(super) fn environ_get(call: &mut Call<'_>, list: u32, text: u32) -> Sys<()> {
    let strings = std::mem::take(&mut call.host.env);
    let answer = put_strings(call, &strings, list, text);
    call.host.env = strings;
    answer
}

fn put_pair(call: &mut Call<'_>, at: (u32, u32), values: (u32, u32)) -> Sys<()> {
    call.guest.put_u32(at.0, values.0)?;
    call.guest.put_u32(at.1, values.1)
}

/// How many strings, and how many bytes with the NUL after each.
fn sizes(strings: &[String]) -> Sys<(u32, u32)> {
    let bytes: usize = strings.iter().map(|text| text.len().saturating_add(1)).sum();
    let count = len32(strings.len())?;
    Ok((count, len32(bytes)?))
}

fn put_strings(call: &mut Call<'_>, strings: &[String], list: u32, text: u32) -> Sys<()> {
    let (mut list, mut text) = (list, text);
    for string in strings {
        call.guest.put_u32(list, text)?;
        let mut bytes = string.as_bytes().to_vec();
        bytes.push(0);
        call.guest.put(text, &bytes)?;
        call.moves(len64(&bytes));
        list = list.checked_add(4).ok_or(Errno::Fault)?;
        let len = len32(bytes.len())?;
        text = text.checked_add(len).ok_or(Errno::Fault)?;
    }
    Ok(())
}

pub(super) fn clock_res_get(call: &mut Call<'_>, clock: u32, target: u32) -> Sys<()> {
    check_clock(clock)?;
    call.guest.put_u64(target, CLOCK_STEP_NS)
}

pub(super) fn clock_time_get(call: &mut Call<'_>, clock: u32, _: u64, target: u32) -> Sys<()> {
    check_clock(clock)?;
    call.host.clock.pass(CLOCK_STEP_NS);
    call.guest.put_u64(target, call.host.clock.read(clock))
}

fn check_clock(clock: u32) -> Sys<()> {
    if clock < CLOCKS { Ok(()) } else { Err(Errno::Invalid.into()) }
}

pub(super) fn random_get(call: &mut Call<'_>, target: u32, len: u32) -> Sys<()> {
    if len > RANDOM_BYTES_MAX {
        return Err(Errno::Invalid.into());
    }
    let bytes = u64::from(len);
    call.moves(bytes);
    call.charge(meter::kib(bytes).saturating_mul(meter::RANDOM_KIB));
    call.host.random.fill(call.guest.bytes_mut(target, len)?);
    Ok(())
}

pub(super) fn proc_exit(_: &mut Call<'_>, status: u32) -> Sys<()> {
    Err(Ending::Exit(status.cast_signed()).into())
}

pub(super) fn sched_yield(_: &mut Call<'_>) -> Sys<()> {
    Ok(())
}

/// What a guest waits for.
enum Wait {
    /// Until the virtual time since the start.
    Until(u64),
    /// A file, which is always ready: event type and the bytes that are left.
    Ready(u8, u64),
    Wrong(Errno),
}

/// Files are ready at once. When only clocks are waited for, time jumps to the earliest.
pub(super) fn poll_oneoff(
    call: &mut Call<'_>,
    list: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Sys<()> {
    if count == 0 || count > SUBSCRIPTIONS_MAX {
        return Err(Errno::Invalid.into());
    }
    call.guest.bytes(happened, 4)?;
    call.guest.bytes(events, count.saturating_mul(32))?;
    let list = call.guest.bytes(list, count.saturating_mul(48))?.to_vec();
    call.moves(len64(&list));
    call.host.clock.pass(CLOCK_STEP_NS);
    let (subscriptions, _) = list.as_chunks::<48>();
    let waits: Vec<(u64, Wait)> =
        subscriptions.iter().map(|s| (u64_at(s, 0), wait_for(call, s))).collect();
    if waits.iter().all(|(_, wait)| matches!(wait, Wait::Until(_))) {
        let times = waits.iter().filter_map(|(_, wait)| match wait {
            Wait::Until(time) => Some(*time),
            Wait::Ready(..) | Wait::Wrong(_) => None,
        });
        let elapsed = call.host.clock.elapsed_ns;
        call.host.clock.elapsed_ns = times.min().unwrap_or(elapsed).max(elapsed);
    }
    let mut written: u32 = 0;
    for (userdata, wait) in waits {
        let (errno, kind, bytes) = match wait {
            Wait::Until(time) if time > call.host.clock.elapsed_ns => continue,
            Wait::Until(_) => (0, 0, 0),
            Wait::Ready(kind, bytes) => (0, kind, bytes),
            Wait::Wrong(errno) => (errno.code(), 0, 0),
        };
        let mut event = [0_u8; 32];
        put_at(&mut event, 0, &userdata.to_le_bytes());
        // The number has two bytes here; what it spills over is written next.
        put_at(&mut event, 8, &errno.to_le_bytes());
        put_at(&mut event, 10, &[kind]);
        put_at(&mut event, 16, &bytes.to_le_bytes());
        let at = events.checked_add(written.saturating_mul(32)).ok_or(Errno::Fault)?;
        call.guest.put(at, &event)?;
        written = written.saturating_add(1);
    }
    call.guest.put_u32(happened, written)
}

fn wait_for(call: &Call<'_>, subscription: &[u8; 48]) -> Wait {
    let [.., tag] = subscription.first_chunk::<9>().copied().unwrap_or_default();
    let target = u32::try_from(u64_at(subscription, 16) & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    match tag {
        0 if target >= CLOCKS => Wait::Wrong(Errno::Invalid),
        0 => {
            let time = u64_at(subscription, 24);
            let is_absolute = u64_at(subscription, 40) & 1 == 1;
            let clock = &call.host.clock;
            let base = if target == REALTIME { clock.start_ns } else { 0 };
            Wait::Until(match is_absolute {
                true => time.saturating_sub(base),
                false => clock.elapsed_ns.saturating_add(time),
            })
        }
        1 | 2 => match call.host.readiness(target, tag == 2) {
            Ok(bytes) => Wait::Ready(tag, bytes),
            Err(errno) => Wait::Wrong(errno),
        },
        _ => Wait::Wrong(Errno::Invalid),
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Writes into a record whose layout is fixed.
pub(super) fn put_at(record: &mut [u8], at: usize, bytes: &[u8]) {
    let end = at.saturating_add(bytes.len());
    if let Some(target) = record.get_mut(at..end) {
        target.copy_from_slice(bytes);
    }
}
