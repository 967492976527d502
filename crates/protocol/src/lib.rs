//! The frames that an agent and the server speak over one WebSocket.
//!
//! A frame is one binary message: a fixed header, a CBOR body with integer keys (so that a newer
//! peer may add fields and an older one skips them), then raw payload bytes that the codec never
//! touches. The version is negotiated as WebSocket sub-protocol. Pure: no I/O.

mod feature;
mod frame;
mod message;
mod session;
mod signed;

pub use feature::{
    COMPILE_OUT, FEATURES, FILES_OUT, Features, SESSION, SETTINGS, TABLE_OUT, YIELD,
};
pub use frame::{Frame, FrameError, HEADER_BYTES, MAX_FRAME_BYTES};
pub use message::{
    AHEAD_MAX, Ahead, Blob, CACHED_MAX, Cancel, FilePart, Hello, INLINE_BYTES_MAX, Lease, Message,
    Part, Phase, Pulse, Report, Settings, Speed, WHY_CHARS_MAX, Welcome, Yield, guest_env,
};
pub use minicbor::bytes::ByteArray;
pub use session::{
    MARK, MARK_LOAD, MARK_METRICS, MARK_SAVE, Number, PART_BYTES, PAYLOAD_BYTES_MAX, Parts, Reduce,
    SESSION_HEAD_BYTES, SESSION_SUBPROTOCOL, SessionError, SessionHead, SessionKind,
};
pub use signed::{Pen, SIGNED_PREFIX, outcome_code, signed_bytes, verify};

/// The WebSocket sub-protocol of this version.
pub const SUBPROTOCOL: &str = "medusa.agent.v1";
/// The first byte of every frame.
pub const VERSION: u8 = 1;
/// An agent says so often that it lives.
pub const HEARTBEAT_MS: u64 = 15_000;
/// An agent that was silent this long is gone.
pub const GONE_MS: u64 = 60_000;
