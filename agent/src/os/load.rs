//! What other programs take of the processors, over the last seconds.

use std::collections::VecDeque;

/// Samples that are looked back at: ten seconds, so that a click is no load.
const SAMPLES: usize = 10;

/// Time of all processors together, in the system's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cpu {
    /// Since the start of the machine.
    pub(super) total: u64,
    /// Of it, not idle.
    pub(super) busy: u64,
    /// Of that, used by this program and its workers.
    pub(super) own: u64,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct Load(VecDeque<Cpu>);

impl Load {
    /// Takes one sample, and returns what others took since the oldest one, in percent.
    pub(super) fn add(&mut self, now: Option<Cpu>) -> Option<u32> {
        let Some(now) = now else {
            self.0.clear();
            return None;
        };
        self.0.push_back(now);
        if self.0.len() > SAMPLES {
            self.0.pop_front();
        }
        let then = self.0.front()?;
        let own = now.own.saturating_sub(then.own);
        let others = now.busy.saturating_sub(then.busy).saturating_sub(own);
        let pct = others.saturating_mul(100).checked_div(now.total.saturating_sub(then.total))?;
        u32::try_from(pct.min(100)).ok()
    }
}

impl Load {
    /// What this program and its workers took over the same stretch of time, in percent.
    pub(super) fn own(&self) -> Option<u32> {
        let (then, now) = (self.0.front()?, self.0.back()?);
        let own = now.own.saturating_sub(then.own).saturating_mul(100);
        let pct = own.checked_div(now.total.saturating_sub(then.total))?;
        u32::try_from(pct.min(100)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_take_counts() {
        let mut load = Load::default();
        let sample = |n: u64| Some(Cpu { total: n * 400, busy: n * 300, own: n * 200 });
        assert_eq!(load.add(sample(1)), None, "one sample is no stretch of time");
        assert_eq!((load.add(sample(2)), load.own()), (Some(25), Some(50)));
        let quiet = Cpu { total: 1_200, busy: 600, own: 500 };
        assert_eq!(load.add(Some(quiet)), Some(0), "what ended late counts as own");
        assert_eq!((load.add(None), load.own()), (None, None));
        assert_eq!(load.add(sample(9)), None);
    }

    #[test]
    fn old_samples_are_forgotten() {
        let mut load = Load::default();
        for n in 1..=20 {
            load.add(Some(Cpu { total: n * 100, busy: n * 100, own: 0 }));
        }
        let idle = |n: u64| Some(Cpu { total: 2_000 + n * 100, busy: 2_000, own: 0 });
        let loads: Vec<_> = (1..=10).map(|n| load.add(idle(n)).unwrap()).collect();
        assert_eq!((loads[0], loads[9]), (88, 0));
    }
}
