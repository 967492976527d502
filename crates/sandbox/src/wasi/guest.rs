//! The guest's memory, seen from the host: every access is checked, and a bad one is the guest's
//! `EFAULT`. Nothing of no length can fault.

use crate::stop::{Errno, Sys};

/// The most pieces in one scattered read or write.
const PIECES_MAX: u32 = 1_024;

/// The memory that the guest exports; empty when it exports none.
pub(super) struct Guest<'a>(pub(super) &'a mut [u8]);

/// A range of the guest's memory that exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Guest<'_> {
    pub(super) fn bytes(&self, at: u32, len: u32) -> Sys<&[u8]> {
        if len == 0 {
            return Ok(&[]);
        }
        let (at, len) = range(at, len)?;
        Ok(self.0.get(at..).and_then(|rest| rest.get(..len)).ok_or(Errno::Fault)?)
    }

    pub(super) fn bytes_mut(&mut self, at: u32, len: u32) -> Sys<&mut [u8]> {
        if len == 0 {
            return Ok(&mut []);
        }
        let (at, len) = range(at, len)?;
        Ok(self.0.get_mut(at..).and_then(|rest| rest.get_mut(..len)).ok_or(Errno::Fault)?)
    }

    /// Text that the guest gives, such as a path.
    pub(super) fn text(&self, at: u32, len: u32) -> Sys<&str> {
        std::str::from_utf8(self.bytes(at, len)?).or(Err(Errno::IllegalText.into()))
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Sys<()> {
        self.bytes_mut(at, len32(bytes.len())?)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Sys<()> {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Sys<()> {
        self.put(at, &value.to_le_bytes())
    }

    /// The list of pieces of a scattered read or write. All of them exist, and their lengths
    /// together are a `u32`.
    pub(super) fn pieces(&self, at: u32, count: u32) -> Sys<Vec<Piece>> {
        if count > PIECES_MAX {
            return Err(Errno::Invalid.into());
        }
        let list = self.bytes(at, count.saturating_mul(8))?;
        let mut total: u32 = 0;
        let (pairs, _) = list.as_chunks::<4>().0.as_chunks::<2>();
        let mut pieces = Vec::with_capacity(pairs.len());
        for [at, len] in pairs {
            let piece = Piece { at: u32::from_le_bytes(*at), len: u32::from_le_bytes(*len) };
            self.bytes(piece.at, piece.len)?;
            total = total.checked_add(piece.len).ok_or(Errno::Invalid)?;
            pieces.push(piece);
        }
        Ok(pieces)
    }
}

fn range(at: u32, len: u32) -> Sys<(usize, usize)> {
    let (at, len) = (usize::try_from(at).ok(), usize::try_from(len).ok());
    at.zip(len).ok_or(Errno::Fault.into())
}

/// A length as guests count.
pub(super) fn len32<T>(len: T) -> Sys<u32>
where
    u32: TryFrom<T>,
{
    u32::try_from(len).or(Err(Errno::Overflow.into()))
}
