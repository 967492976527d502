//! Standard input and output of a live guest: frames, each after its length as a `u32` LE.
//!
//! A read gives what was asked for or what is left of the frame, length included, and waits only
//! when there is no frame; so a run depends on the frames that it got and not on when they came.
//! What is written is cut into frames by the lengths in it. A frame leaves when the call that
//! completes it was paid for.

use std::io::{Read, Write};

use super::Call;
use super::guest::len32;
use crate::frames::{Area, HEAD_BYTES, Head, What};
use crate::pipes::{Input, Stdout};
use crate::stop::{Ending, Errno, Sys};

/// The pipes of a live guest.
#[derive(Debug)]
pub(crate) struct Stream {
    input: Input,
    area: Option<Area>,
    source: Source,
    sink: Sink,
}

/// The frame that the guest reads.
#[derive(Debug, Default)]
struct Source {
    /// How much of its length the guest has.
    length_got: usize,
    /// How long it is; nothing between frames.
    bytes: Option<u32>,
    /// How much of it the guest has.
    got: u32,
    is_shared: bool,
    /// No frame will follow.
    ended: bool,
}

/// What the guest writes.
#[derive(Debug)]
struct Sink {
    length: [u8; 4],
    length_got: usize,
    /// How long the frame is; nothing before its length is complete.
    bytes: Option<u32>,
    got: u32,
    is_shared: bool,
    /// The longest frame.
    bytes_max: u64,
    /// Heads, and what goes through the pipe.
    out: Vec<u8>,
    /// Where the heads of complete frames are.
    heads: Vec<usize>,
    /// Up to where frames are complete.
    complete: usize,
}

impl Stream {
    pub(crate) fn new(input: Input, area: Option<Area>, frame_bytes_max: u64) -> Self {
        let sink = Sink {
            length: [0; 4],
            length_got: 0,
            bytes: None,
            got: 0,
            is_shared: false,
            bytes_max: frame_bytes_max,
            out: Vec::new(),
            heads: Vec::new(),
            complete: 0,
        };
        Self { input, area, source: Source::default(), sink }
    }

    /// Whether the guest has begun a frame and not finished it.
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.sink.length_got > 0
    }

    /// Waits for a frame, unless the guest has not read all of the last one. Gives how many bytes
    /// there are to read: none only after the last frame.
    fn wait(&mut self) -> Sys<u64> {
        if self.source.bytes.is_none() && !self.source.ended {
            let mut head = [0; HEAD_BYTES];
            self.input.read_exact(&mut head).or(Err(Ending::ParentGone))?;
            let head = Head::decode(&head).or(Err(Ending::ParentGone))?;
            if let Some(area) = &mut self.area {
                area.hear(head.taken);
            }
            let is_shared = head.what == What::Shared;
            let ended = matches!(head.what, What::End { .. });
            let bytes = (!ended).then_some(head.bytes);
            self.source = Source { length_got: 0, bytes, got: 0, is_shared, ended };
        }
        Ok(self.source.left())
    }

    /// Fills this with what comes next, of which there is enough.
    fn take(&mut self, target: &mut [u8]) -> Sys<()> {
        let Some(bytes) = self.source.bytes else { return Ok(()) };
        let length = bytes.to_le_bytes();
        let rest = length.get(self.source.length_got..).unwrap_or_default();
        let (in_length, in_frame) = target.split_at_mut(rest.len().min(target.len()));
        in_length.copy_from_slice(rest.get(..in_length.len()).unwrap_or_default());
        self.source.length_got = self.source.length_got.saturating_add(in_length.len());
        if !in_frame.is_empty() {
            match &self.area {
                Some(area) if self.source.is_shared => area.get(self.source.got, in_frame),
                _ => self.input.read_exact(in_frame),
            }
            .or(Err(Ending::ParentGone))?;
            self.source.got = self.source.got.saturating_add(len32(in_frame.len())?);
        }
        if self.source.left() == 0 {
            self.source.bytes = None;
            if let (true, Some(area)) = (self.source.is_shared, &mut self.area) {
                area.was_got();
            }
        }
        Ok(())
    }

    /// Takes what the guest writes.
    fn write(&mut self, mut bytes: &[u8]) -> Sys<()> {
        while !bytes.is_empty() {
            bytes = match self.sink.bytes {
                None => self.begin(bytes)?,
                Some(length) => self.go_on(length, bytes)?,
            };
        }
        Ok(())
    }

    /// Takes a part of a length. Gives the rest.
    fn begin<'b>(&mut self, bytes: &'b [u8]) -> Sys<&'b [u8]> {
        let sink = &mut self.sink;
        let wanted = sink.length.get_mut(sink.length_got..).unwrap_or_default();
        let (now, later) = bytes.split_at(wanted.len().min(bytes.len()));
        for (target, byte) in wanted.iter_mut().zip(now) {
            *target = *byte;
        }
        sink.length_got = sink.length_got.saturating_add(now.len());
        if sink.length_got == sink.length.len() {
            let length = u32::from_le_bytes(sink.length);
            if u64::from(length) > sink.bytes_max {
                return Err(Ending::OutputOut.into());
            }
            (sink.bytes, sink.got) = (Some(length), 0);
            sink.is_shared = self.area.as_ref().is_some_and(|area| area.takes(length));
            sink.out.resize(sink.out.len().saturating_add(HEAD_BYTES), 0);
            self.end_when_complete(length);
        }
        Ok(later)
    }

    /// Takes a part of a frame. Gives the rest.
    fn go_on<'b>(&mut self, length: u32, bytes: &'b [u8]) -> Sys<&'b [u8]> {
        let missing = usize::try_from(length.saturating_sub(self.sink.got)).unwrap_or(usize::MAX);
        let (now, later) = bytes.split_at(missing.min(bytes.len()));
        match &self.area {
            Some(area) if self.sink.is_shared => {
                area.put(self.sink.got, now).or(Err(Ending::HostMemory))?;
            }
            _ => self.sink.out.extend_from_slice(now),
        }
        self.sink.got = self.sink.got.saturating_add(len32(now.len())?);
        self.end_when_complete(length);
        Ok(later)
    }

    fn end_when_complete(&mut self, length: u32) {
        let sink = &mut self.sink;
        if sink.got < length {
            return;
        }
        let what = if sink.is_shared { What::Shared } else { What::Inline };
        let head = Head { what, bytes: length, fuel: 0, taken: 0 };
        if let Some(target) = sink.out.get_mut(sink.complete..).and_then(<[u8]>::first_chunk_mut) {
            *target = head.encode();
        }
        sink.heads.push(sink.complete);
        sink.complete = sink.out.len();
        (sink.length_got, sink.bytes) = (0, None);
        if let (true, Some(area)) = (sink.is_shared, &mut self.area) {
            area.was_put();
        }
    }

    /// Whether a frame is complete and was not sent.
    pub(crate) const fn is_due(&self) -> bool {
        self.sink.complete > 0
    }

    /// Sends the complete frames, with the fuel that the run has used.
    pub(crate) fn send(&mut self, fuel: u64) -> Result<(), Ending> {
        let taken = self.taken();
        let sink = &mut self.sink;
        for at in sink.heads.drain(..) {
            let Some(place) = sink.out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) else {
                continue;
            };
            if let Ok(head) = Head::decode(place) {
                *place = Head { fuel, taken, ..head }.encode();
            }
        }
        let complete = sink.out.get(..sink.complete).unwrap_or_default();
        Stdout.write_all(complete).or(Err(Ending::ParentGone))?;
        sink.out.drain(..sink.complete);
        sink.complete = 0;
        Ok(())
    }

    /// How many shared frames the guest has read.
    pub(crate) fn taken(&self) -> u64 {
        self.area.as_ref().map_or(0, Area::taken)
    }
}

impl Source {
    /// How many bytes of the frame and its length are left.
    fn left(&self) -> u64 {
        let Some(bytes) = self.bytes else { return 0 };
        let length = u64::try_from(4_usize.saturating_sub(self.length_got)).unwrap_or_default();
        length.saturating_add(u64::from(bytes.saturating_sub(self.got)))
    }
}

/// `fd_read` on a live guest's standard input.
pub(super) fn read(call: &mut Call<'_>, list: u32, n: u32, count: u32) -> Sys<()> {
    call.guest.bytes(count, 4)?;
    let pieces = call.guest.pieces(list, n)?;
    let asked: u64 = pieces.iter().map(|piece| u64::from(piece.len)).sum();
    let stream = call.host.stream.as_mut().ok_or(Errno::BadFd)?;
    let all = if asked == 0 { 0 } else { stream.wait()?.min(asked) };
    let mut left = usize::try_from(all).unwrap_or(usize::MAX);
    for piece in pieces {
        let target = call.guest.bytes_mut(piece.at, piece.len)?;
        let len = target.len().min(left);
        stream.take(target.get_mut(..len).unwrap_or_default())?;
        left = left.saturating_sub(len);
    }
    call.guest.put_u32(count, len32(all)?)?;
    call.moves(all);
    Ok(())
}

/// What a live guest writes to its standard output.
pub(super) fn write(stream: &mut Stream, bytes: &[u8]) -> Sys<()> {
    stream.write(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(bytes_max: u64) -> Stream {
        Stream::new(crate::pipes::input(), None, bytes_max)
    }

    #[test]
    fn frames_are_cut_by_their_lengths_however_they_are_written() {
        let whole = [&[2, 0, 0, 0, 7, 8][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 9]].concat();
        for step in 1..whole.len() {
            let mut stream = stream(10);
            for piece in whole.chunks(step) {
                stream.write(piece).expect("room");
            }
            assert!(stream.is_due() && !stream.is_unfinished());
            let mut at = 0;
            let mut frames = Vec::new();
            while at < stream.sink.complete {
                let head = stream.sink.out[at..].first_chunk().expect("a head");
                let length = usize::try_from(Head::decode(head).expect("a head").bytes).unwrap();
                at += HEAD_BYTES;
                frames.push(stream.sink.out[at..at + length].to_vec());
                at += length;
            }
            assert_eq!(frames, [vec![7, 8], vec![], vec![9]], "{step}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_ends_the_run_before_it_is_kept() {
        let mut stream = stream(10);
        let error = stream.write(&[11, 0, 0, 0]).expect_err("it is too long");
        assert_eq!(error, Ending::OutputOut.into());
        assert!(stream.sink.out.is_empty());
    }
}
