//! Counting what comes out of a decompressor, while it comes. Declared sizes are not believed.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::archive::Refusal;

/// The most bytes that all files of an archive may have together.
pub(super) const INFLATED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// The most that an archive may grow to, in times its own size.
const RATIO_MAX: u64 = 100;
/// Up to here the ratio does not matter: small files of one byte repeated are no attack.
const RATIO_FLOOR_BYTES: u64 = 1024 * 1024;

/// A count with a ceiling, shared by the readers that it meters.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    left: Rc<Cell<u64>>,
    /// What may still be read of the archive's own structure, while that is what is read.
    leash: Rc<Cell<Option<u64>>>,
    past_ceiling: Refusal,
    refusal: Rc<RefCell<Option<Refusal>>>,
}

impl Meter {
    /// For what an archive of this size inflates to.
    pub(super) fn of_archive(size: u64) -> Self {
        let by_ratio = size.saturating_mul(RATIO_MAX).max(RATIO_FLOOR_BYTES);
        if by_ratio < INFLATED_BYTES_MAX {
            Self::new(by_ratio, Refusal::Bomb)
        } else {
            Self::new(INFLATED_BYTES_MAX, Refusal::TooLarge)
        }
    }

    /// Without a ceiling, only with a leash.
    pub(super) fn leashed(bytes: u64) -> Self {
        let meter = Self::new(u64::MAX, Refusal::TooLarge);
        meter.leash(bytes);
        meter
    }

    fn new(ceiling: u64, past_ceiling: Refusal) -> Self {
        Self {
            left: Rc::new(Cell::new(ceiling)),
            leash: Rc::default(),
            past_ceiling,
            refusal: Rc::default(),
        }
    }

    /// From now on, so many bytes may be read.
    pub(super) fn leash(&self, bytes: u64) {
        self.leash.set(Some(bytes));
    }

    /// From now on only the ceiling counts.
    pub(super) fn unleash(&self) {
        self.leash.set(None);
    }

    /// Why reading was stopped, if it was this meter that stopped it.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.borrow().clone()
    }

    fn count(&self, read: usize) -> io::Result<()> {
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        let refusal = match (self.left.get().checked_sub(read), self.leash.get()) {
            (None, _) => self.past_ceiling.clone(),
            (Some(_), Some(leash)) if leash < read => Refusal::Structure,
            (Some(left), leash) => {
                self.left.set(left);
                self.leash.set(leash.map(|leash| leash.saturating_sub(read)));
                return Ok(());
            }
        };
        *self.refusal.borrow_mut() = Some(refusal.clone());
        Err(io::Error::other(refusal))
    }
}

/// A reader that is metered.
#[derive(Debug)]
pub(super) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R, meter: &Meter) -> Self {
        Self { inner, meter: meter.clone() }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.meter.count(read)?;
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
