//! How the frames of a live guest travel between a worker and its parent.
//!
//! Each has a head in the pipe. A small frame follows its head there; a large one is in the shared
//! [`Area`], one at a time in each direction: heads say how many the peer has taken out. While the
//! peer has not, the next one goes through the pipe, so that nobody ever waits for room and none
//! is overwritten. Neither side trusts what it finds: lengths are checked before they are used.

use std::io;

use crate::os::Memory;

/// The bytes of a head.
pub(crate) const HEAD_BYTES: usize = 24;
/// Smaller frames go through the pipe: two calls more cost as much as the copies that they save.
const SHARED_BYTES_MIN: u32 = 8 << 10;
/// Larger ones do too.
const SHARED_BYTES_MAX: u32 = 16 << 20;

/// What comes after a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A frame, in the pipe.
    Inline,
    /// A frame, in the area.
    Shared,
    /// To the guest: no frame will follow. To the parent: the reply, in the pipe, and whether the
    /// guest had begun a frame that it did not finish.
    End { unfinished: bool },
}

/// What goes before each frame and before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) what: What,
    /// Of what follows.
    pub(crate) bytes: u32,
    /// Fuel used when this was sent; 0 to the guest.
    pub(crate) fuel: u64,
    /// How many shared frames the sender has taken out so far.
    pub(crate) taken: u64,
}

impl Head {
    pub(crate) fn encode(self) -> [u8; HEAD_BYTES] {
        let (kind, flag) = match self.what {
            What::Inline => (0, 0),
            What::Shared => (1, 0),
            What::End { unfinished } => (2, u8::from(unfinished)),
        };
        let mut head = [0; HEAD_BYTES];
        let (length, rest) = head.split_at_mut(4);
        length.copy_from_slice(&self.bytes.to_le_bytes());
        let (kinds, counts) = rest.split_at_mut(4);
        kinds.copy_from_slice(&[kind, flag, 0, 0]);
        let (fuel, taken) = counts.split_at_mut(8);
        fuel.copy_from_slice(&self.fuel.to_le_bytes());
        taken.copy_from_slice(&self.taken.to_le_bytes());
        head
    }

    /// # Errors
    /// Says that it is none.
    pub(crate) fn decode(head: &[u8; HEAD_BYTES]) -> Result<Self, String> {
        let [a, b, c, d, kind, flag, _, _, counts @ ..] = *head;
        let what = match (kind, flag) {
            (0, _) => What::Inline,
            (1, _) => What::Shared,
            (2, flag) => What::End { unfinished: flag == 1 },
            _ => return Err(format!("a head of kind {kind}")),
        };
        let (fuel, taken) = counts.split_at(8);
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let bytes = u32::from_le_bytes([a, b, c, d]);
        Ok(Self { what, bytes, fuel: number(fuel), taken: number(taken) })
    }
}

/// One end of the memory that a worker and its parent share.
///
/// It is read and written, not mapped: a peer that changes it meanwhile can spoil what is read and
/// nothing else. Its size stays what it is.
#[derive(Debug)]
pub(crate) struct Area {
    memory: Memory,
    /// Where this end's own frames are, and the other's.
    own_at: u64,
    other_at: u64,
    /// Own frames that were put in.
    sent: u64,
    /// How many of them the peer has taken out.
    gone: u64,
    /// The peer's that were taken out here.
    taken: u64,
}

impl Area {
    /// Makes one, at the parent's end; nothing where the system does not have it.
    pub(crate) fn new() -> Option<Self> {
        let memory = Memory::new(Self::file_bytes()).ok()?;
        let other_at = u64::from(SHARED_BYTES_MAX);
        Some(Self { memory, own_at: 0, other_at, sent: 0, gone: 0, taken: 0 })
    }

    /// Where a worker of this process finds it.
    pub(crate) fn path(&self) -> String {
        self.memory.path()
    }

    /// The worker's end of the one at this path.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let memory = Memory::open(path)?;
        let own_at = u64::from(SHARED_BYTES_MAX);
        Ok(Self { memory, own_at, other_at: 0, sent: 0, gone: 0, taken: 0 })
    }

    /// Whether a frame of this size goes in now.
    pub(crate) fn takes(&self, bytes: u32) -> bool {
        (SHARED_BYTES_MIN..=SHARED_BYTES_MAX).contains(&bytes) && self.sent == self.gone
    }

    /// Puts a piece of the own frame in, so many bytes from its start; the frame is one that it
    /// [takes](Self::takes).
    pub(crate) fn put(&self, at: u32, bytes: &[u8]) -> io::Result<()> {
        self.memory.put_at(self.own_at.saturating_add(u64::from(at)), bytes)
    }

    /// The own frame is complete.
    pub(crate) const fn was_put(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// The peer has taken so many out.
    pub(crate) fn hear(&mut self, taken: u64) {
        self.gone = taken.min(self.sent);
    }

    /// Takes a piece of the peer's frame out, which has this length in all.
    pub(crate) fn get(&self, at: u32, target: &mut [u8]) -> io::Result<()> {
        self.memory.get_at(self.other_at.saturating_add(u64::from(at)), target)
    }

    /// The peer's frame was taken out whole.
    pub(crate) const fn was_got(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// How many were.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether a frame of the peer's can have this length.
    pub(crate) const fn fits(bytes: u32) -> bool {
        bytes <= SHARED_BYTES_MAX
    }

    /// How large a file the worker's process writes.
    pub(crate) const fn file_bytes() -> u64 {
        32 << 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_bytes() {
        for what in [What::Inline, What::Shared, What::End { unfinished: true }] {
            let head = Head { what, bytes: 70_000, fuel: u64::MAX - 1, taken: 3 };
            assert_eq!(Head::decode(&head.encode()), Ok(head));
        }
        assert!(Head::decode(&[9; HEAD_BYTES]).is_err());
    }

    #[test]
    fn the_file_has_room_for_both_directions() {
        assert_eq!(Area::file_bytes(), u64::from(SHARED_BYTES_MAX) * 2);
        assert!(Area::fits(SHARED_BYTES_MAX) && !Area::fits(SHARED_BYTES_MAX + 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn one_frame_at_a_time_goes_in() {
        let mut parent = Area::new().expect("memory");
        let mut worker = Area::open(&parent.path()).expect("the same memory");
        assert!(parent.takes(10_000) && !parent.takes(100), "small ones go through the pipe");
        parent.put(0, &[7; 10_000]).expect("room");
        parent.was_put();
        assert!(!parent.takes(10_000), "it was not taken yet");
        let mut piece = [0; 4];
        worker.get(9_996, &mut piece).expect("it is there");
        worker.was_got();
        parent.hear(worker.taken());
        assert!(parent.takes(10_000) && worker.takes(10_000));
        worker.put(0, &[9; 10_000]).expect("room");
        parent.get(0, &mut piece).expect("it is there");
        worker.get(0, &mut [0; 4]).expect("it is there");
        assert_eq!(piece, [9; 4], "each direction has its own place");
    }
}
