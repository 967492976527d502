//! Bytes of a frame: `version u8, kind u8, flags u16, body length u32, reserved u64`, all little
//! endian, then the CBOR body, then the payload. Unknown kinds are an error of the peer's version.

use bytes::Bytes;

use crate::VERSION;
use crate::message::Message;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 16;
/// A frame may not be larger; bulk data goes over HTTP.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// A message with its raw payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it says.
    pub message: Message,
    /// Bytes beside it: inline inputs of a lease, or the inline output of a report.
    pub payload: Bytes,
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header says.
    #[error("the frame is cut short")]
    Short,
    /// Larger than [`MAX_FRAME_BYTES`].
    #[error("the frame is larger than {MAX_FRAME_BYTES} bytes")]
    Large,
    /// The peer speaks another version.
    #[error("frame version {0} is not spoken here, only {VERSION}")]
    Version(u8),
    /// The peer sent a kind that this version does not know.
    #[error("frame kind {0} is not known")]
    Kind(u8),
    /// The body is not what the kind says.
    #[error("the frame's body is malformed")]
    Body(#[source] minicbor::decode::Error),
}

impl Frame {
    /// A frame without payload.
    #[must_use]
    pub const fn of(message: Message) -> Self {
        Self { message, payload: Bytes::new() }
    }

    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let body = self.message.encode_body();
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(HEADER_BYTES + body.len() + self.payload.len());
        out.extend_from_slice(&[VERSION, self.message.kind(), 0, 0]);
        out.extend_from_slice(&body_len.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&body);
        out.extend_from_slice(&self.payload);
        out.into()
    }

    /// Reads a frame; the payload is a slice of `bytes`, not a copy.
    ///
    /// # Errors
    /// [`FrameError`] names what is wrong; the connection is then closed.
    pub fn decode(bytes: &Bytes) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::Large);
        }
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(FrameError::Short)?;
        let [version, kind, _, _, l0, l1, l2, l3, ..] = *header;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let body_len =
            usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).map_err(|_| FrameError::Large)?;
        let body = rest.get(..body_len).ok_or(FrameError::Short)?;
        let message = Message::decode_body(kind, body)?;
        Ok(Self { message, payload: bytes.slice(HEADER_BYTES + body_len..) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Cancel, Phase, Pulse};

    #[test]
    fn a_frame_round_trips_with_its_payload() {
        let frame = Frame {
            message: Message::Cancel(Cancel { lease: "lse_1".into() }),
            payload: Bytes::from_static(b"raw"),
        };
        assert_eq!(Frame::decode(&frame.encode()).unwrap(), frame);
    }

    #[test]
    fn a_newer_peer_may_add_fields() {
        let mut body = Vec::new();
        let mut e = minicbor::Encoder::new(&mut body);
        e.map(2).unwrap().u8(0).unwrap().str("lse_1").unwrap();
        e.u8(9).unwrap().str("unknown").unwrap();
        let message = Message::decode_body(4, &body).unwrap();
        assert_eq!(message, Message::Cancel(Cancel { lease: "lse_1".into() }));
    }

    #[test]
    fn wrong_versions_and_kinds_are_named() {
        let pulse = Frame::of(Message::Pulse(Pulse::default()));
        let mut bytes = pulse.encode().to_vec();
        bytes[0] = 9;
        assert!(matches!(Frame::decode(&bytes.clone().into()), Err(FrameError::Version(9))));
        bytes[0] = VERSION;
        bytes[1] = 200;
        assert!(matches!(Frame::decode(&bytes.into()), Err(FrameError::Kind(200))));
    }

    /// The maps of the first version, as an old peer sends them, and the newest as it reads them.
    #[test]
    fn an_older_peer_says_less_and_reads_past_what_is_new() {
        let mut body = Vec::new();
        let mut e = minicbor::Encoder::new(&mut body);
        e.map(2).unwrap().u8(0).unwrap().bool(true).unwrap();
        e.u8(1).unwrap().array(1).unwrap().str("lse_1").unwrap();
        let Message::Pulse(old) = Message::decode_body(6, &body).unwrap() else { panic!("kind") };
        let bare = Pulse { paused: true, running: vec!["lse_1".into()], ..Pulse::default() };
        assert_eq!(old, bare);

        let told = Pulse {
            slots: Some(3),
            why: Some("on battery".into()),
            phases: vec![Phase::Compiling.number(), 77],
            cached: Some(vec![[7; 32].into()]),
            memory_bytes: Some(9),
            ..bare
        };
        let new = Message::Pulse(told.clone());
        assert_eq!(Message::decode_body(6, &new.encode_body()).unwrap(), new);
        let phases: Vec<_> = told.phases.iter().map(|number| Phase::of(*number)).collect();
        assert_eq!(phases, [Some(Phase::Compiling), None], "unknown ones say nothing");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _outcome = Frame::decode(&bytes.into());
        }
    }
}
