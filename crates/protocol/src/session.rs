//! The messages of a session: what its client, its home and its agents send each other for every
//! round, over WebSockets of their own.
//!
//! Each is one binary WebSocket message: a fixed head, then bytes. What is longer than a part
//! travels as several, in order; whoever passes a message on passes each part on as it comes, and
//! shorter messages go between them. Control messages, which are rare, are text (`medusa-api`).

/// The WebSocket sub-protocol of this version.
pub const SESSION_SUBPROTOCOL: &str = "medusa.session.v1";
/// The bytes of a head.
pub const SESSION_HEAD_BYTES: usize = 32;
/// Payload that travels in one message; more is several.
pub const PART_BYTES: usize = 128 << 10;
/// Payload of all parts together.
pub const PAYLOAD_BYTES_MAX: u32 = 64 << 20;
/// What a frame of or for a guest begins with when it is no payload; one letter follows.
pub const MARK: &[u8; 7] = b"\x89medusa";
/// The letter of metrics: lines of a name, a space and a number, for the next answer.
pub const MARK_METRICS: u8 = b'm';
/// The letter of a wish for the guest's state, which it gives as one frame.
pub const MARK_SAVE: u8 = b's';
/// The letter of a state to go on from; it follows, and needs no answer.
pub const MARK_LOAD: u8 = b'l';
/// The first byte of every head.
const SESSION_VERSION: u8 = 1;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// Towards the guests: a broadcast for all, which each answers.
    Round,
    /// Towards one guest: a question that it alone answers.
    Call,
    /// Towards the client: an answer, or the answers put together.
    Answer,
    /// Towards the client: names and numbers of a round, as JSON.
    Metrics,
    /// To an agent: the lease frame of the shard that it takes.
    Take,
    /// Towards the guests: give your state.
    Save,
    /// Towards the home: a guest's state.
    State,
    /// Towards a guest: go on from this state.
    Load,
}

impl SessionKind {
    /// Its number on the wire.
    const fn byte(self) -> u8 {
        match self {
            Self::Round => 1,
            Self::Call => 2,
            Self::Answer => 3,
            Self::Metrics => 4,
            Self::Take => 5,
            Self::Save => 6,
            Self::State => 7,
            Self::Load => 8,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Round,
            2 => Self::Call,
            3 => Self::Answer,
            4 => Self::Metrics,
            5 => Self::Take,
            6 => Self::Save,
            7 => Self::State,
            8 => Self::Load,
            _ => return None,
        })
    }
}

/// How the answers of all shards become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// Not at all: each comes by itself, in the order of the shards.
    #[default]
    None,
    /// Element by element.
    Sum,
    /// Element by element, divided by the number of shards.
    Mean,
    /// Each answer's first number is its weight; the result's is the sum of them.
    WeightedMean,
    /// The smallest, element by element.
    Min,
    /// The largest, element by element.
    Max,
    /// One behind the other, in the order of the shards.
    Concat,
}

impl Reduce {
    /// All of them, with the words that people use.
    pub const ALL: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("sum", Self::Sum),
        ("mean", Self::Mean),
        ("weighted-mean", Self::WeightedMean),
        ("min", Self::Min),
        ("max", Self::Max),
        ("concat", Self::Concat),
    ];

    /// Its number on the wire: its place in [`Reduce::ALL`].
    const fn byte(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Sum => 1,
            Self::Mean => 2,
            Self::WeightedMean => 3,
            Self::Min => 4,
            Self::Max => 5,
            Self::Concat => 6,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).map(|(_, reduce)| *reduce)
    }
}

/// What the numbers of an answer are, little endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Number {
    /// 64-bit floating point.
    #[default]
    F64,
    /// 32-bit floating point.
    F32,
    /// 64-bit integers.
    I64,
}

impl Number {
    /// All of them, with the words that people use.
    pub const ALL: [(&'static str, Self); 3] =
        [("f64", Self::F64), ("f32", Self::F32), ("i64", Self::I64)];

    /// Its number on the wire: its place in [`Number::ALL`].
    const fn byte(self) -> u8 {
        match self {
            Self::F64 => 0,
            Self::F32 => 1,
            Self::I64 => 2,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).map(|(_, number)| *number)
    }

    /// Bytes of one.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
        }
    }
}

/// What stands before the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHead {
    /// What it is.
    pub kind: SessionKind,
    /// Of a round: how its answers become one.
    pub reduce: Reduce,
    /// Of a round: what they consist of.
    pub number: Number,
    /// The shard that it is of or for; 0 where it is of all.
    pub shard: u32,
    /// The round, from 1; of a call or a state, the number that its answer names.
    pub round: u64,
    /// Bytes of the whole payload.
    pub total: u32,
    /// Where in it this part begins.
    pub offset: u32,
    /// Of an answer: fuel that the guest has used since its start, or all of them in this round.
    pub fuel: u64,
}

/// Bytes that are no message of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Shorter than a head.
    #[error("a message of a session has at least {SESSION_HEAD_BYTES} bytes")]
    Short,
    /// Another version.
    #[error("version {0} of the session protocol is not known")]
    Version(u8),
    /// An unknown number where a kind should be.
    #[error("{1} is no {0}")]
    Unknown(&'static str, u8),
    /// Too long, or a part outside of its whole.
    #[error("a part of {2} bytes at {1} of {0}; a payload has at most {PAYLOAD_BYTES_MAX}")]
    Length(u32, u32, usize),
    /// Another part than the one that follows.
    #[error("a part at {1}, where {0} bytes have come")]
    Order(usize, u32),
}

impl SessionHead {
    /// A head of a whole payload of so many bytes.
    #[must_use]
    pub const fn new(kind: SessionKind, round: u64, total: u32) -> Self {
        let (reduce, number) = (Reduce::None, Number::F64);
        Self { kind, reduce, number, shard: 0, round, total, offset: 0, fuel: 0 }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SESSION_HEAD_BYTES] {
        let mut bytes = [0; SESSION_HEAD_BYTES];
        let (kinds, rest) = bytes.split_at_mut(4);
        kinds.copy_from_slice(&[
            SESSION_VERSION,
            self.kind.byte(),
            self.reduce.byte(),
            self.number.byte(),
        ]);
        let (shard, rest) = rest.split_at_mut(4);
        shard.copy_from_slice(&self.shard.to_le_bytes());
        let (round, rest) = rest.split_at_mut(8);
        round.copy_from_slice(&self.round.to_le_bytes());
        let (total, rest) = rest.split_at_mut(4);
        total.copy_from_slice(&self.total.to_le_bytes());
        let (offset, fuel) = rest.split_at_mut(4);
        offset.copy_from_slice(&self.offset.to_le_bytes());
        fuel.copy_from_slice(&self.fuel.to_le_bytes());
        bytes
    }

    /// The head of a message, and what follows it.
    ///
    /// # Errors
    /// [`SessionError`], when it is no message of this version or its part does not fit its whole.
    pub fn decode(message: &[u8]) -> Result<(Self, &[u8]), SessionError> {
        let (head, part) =
            message.split_first_chunk::<SESSION_HEAD_BYTES>().ok_or(SessionError::Short)?;
        let [version, kind, reduce, number, a, b, c, d, rest @ ..] = *head;
        if version != SESSION_VERSION {
            return Err(SessionError::Version(version));
        }
        let (round, rest) = rest.split_first_chunk().ok_or(SessionError::Short)?;
        let (total, rest) = rest.split_first_chunk().ok_or(SessionError::Short)?;
        let (offset, rest) = rest.split_first_chunk().ok_or(SessionError::Short)?;
        let fuel = rest.first_chunk().ok_or(SessionError::Short)?;
        let head = Self {
            kind: SessionKind::of(kind).ok_or(SessionError::Unknown("kind", kind))?,
            reduce: Reduce::of(reduce).ok_or(SessionError::Unknown("reduce", reduce))?,
            number: Number::of(number).ok_or(SessionError::Unknown("number type", number))?,
            shard: u32::from_le_bytes([a, b, c, d]),
            round: u64::from_le_bytes(*round),
            total: u32::from_le_bytes(*total),
            offset: u32::from_le_bytes(*offset),
            fuel: u64::from_le_bytes(*fuel),
        };
        let wrong = SessionError::Length(head.total, head.offset, part.len());
        let len = u32::try_from(part.len()).map_err(|_| wrong)?;
        let end = head.offset.checked_add(len).ok_or(wrong)?;
        let is_empty_part = part.is_empty() && head.total > 0;
        if end > head.total || head.total > PAYLOAD_BYTES_MAX || is_empty_part {
            return Err(wrong);
        }
        Ok((head, part))
    }

    /// Whether the payload ends with a part of so many bytes.
    #[must_use]
    pub fn is_last(&self, part: usize) -> bool {
        u32::try_from(part).is_ok_and(|part| self.offset.saturating_add(part) == self.total)
    }

    /// The messages of a whole payload, in order.
    pub fn messages(self, payload: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
        let empty = payload.is_empty().then_some(payload);
        let parts = empty.into_iter().chain(payload.chunks(PART_BYTES));
        let mut offset = 0_u32;
        parts.map(move |part| {
            let head = Self { offset, ..self };
            offset = offset.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            let mut message = Vec::with_capacity(SESSION_HEAD_BYTES.saturating_add(part.len()));
            message.extend_from_slice(&head.encode());
            message.extend_from_slice(part);
            message
        })
    }
}

/// Puts the parts of one payload together.
#[derive(Debug, Default)]
pub struct Parts {
    /// What has come.
    pub payload: Vec<u8>,
}

impl Parts {
    /// Adds a part; whether it was the last. Of the first one the room for all is taken.
    ///
    /// # Errors
    /// [`SessionError::Order`], when it does not follow what came before.
    pub fn add(&mut self, head: &SessionHead, part: &[u8]) -> Result<bool, SessionError> {
        let wrong = SessionError::Order(self.payload.len(), head.offset);
        if usize::try_from(head.offset).ok() != Some(self.payload.len()) {
            return Err(wrong);
        }
        if head.offset == 0 && !head.is_last(part.len()) {
            self.payload.reserve_exact(usize::try_from(head.total).unwrap_or_default());
        }
        self.payload.extend_from_slice(part);
        Ok(head.is_last(part.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(total: u32) -> SessionHead {
        SessionHead {
            reduce: Reduce::WeightedMean,
            number: Number::I64,
            shard: 7,
            fuel: u64::MAX - 3,
            ..SessionHead::new(SessionKind::Answer, 1 << 40, total)
        }
    }

    #[test]
    fn a_payload_of_any_length_comes_back_from_its_messages() {
        for len in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES] {
            let payload: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let head = head(u32::try_from(len).unwrap());
            let (mut parts, mut ends) = (Parts::default(), Vec::new());
            for message in head.messages(&payload) {
                let (found, part) = SessionHead::decode(&message).unwrap();
                assert_eq!(SessionHead { offset: 0, ..found }, head);
                ends.push(parts.add(&found, part).unwrap());
            }
            assert_eq!(parts.payload, payload);
            assert_eq!(ends.len(), len.div_ceil(PART_BYTES).max(1));
            assert_eq!(ends.iter().filter(|end| **end).count(), 1);
            assert_eq!(ends.last(), Some(&true));
        }
    }

    #[test]
    fn numbers_on_the_wire_stand_for_one_thing_each() {
        let places = 0..;
        assert!(places.clone().zip(Reduce::ALL).all(|(n, (_, reduce))| reduce.byte() == n));
        assert!(places.zip(Number::ALL).all(|(n, (_, number))| number.byte() == n));
        let kinds = (0..=u8::MAX).filter_map(|n| Some((n, SessionKind::of(n)?.byte())));
        assert!(kinds.clone().all(|(n, back)| n == back));
        assert_eq!(kinds.count(), 8);
    }

    #[test]
    fn what_is_no_message_is_named() {
        let good: Vec<u8> = head(3).messages(b"abc").next().unwrap();
        assert_eq!(SessionHead::decode(&good[..31]), Err(SessionError::Short));
        for (at, value, error) in [
            (0, 9, SessionError::Version(9)),
            (1, 0, SessionError::Unknown("kind", 0)),
            (2, 77, SessionError::Unknown("reduce", 77)),
            (3, 3, SessionError::Unknown("number type", 3)),
            (16, 2, SessionError::Length(2, 0, 3)),
            (19, 5, SessionError::Length(3 + (5 << 24), 0, 3)),
            (20, 1, SessionError::Length(3, 1, 3)),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(SessionHead::decode(&bad), Err(error), "byte {at}");
        }
        assert_eq!(
            SessionHead::decode(&good[..SESSION_HEAD_BYTES]),
            Err(SessionError::Length(3, 0, 0)),
            "parts of nothing never end"
        );
    }

    #[test]
    fn parts_come_in_order() {
        let second = SessionHead { offset: 2, ..head(4) };
        let mut parts = Parts::default();
        assert_eq!(parts.add(&second, b"cd"), Err(SessionError::Order(0, 2)));
        assert_eq!(parts.add(&head(4), b"ab"), Ok(false));
        assert_eq!(parts.add(&head(4), b"ab"), Err(SessionError::Order(2, 0)));
        assert_eq!(parts.add(&second, b"cd"), Ok(true));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = [0_u8; 48];
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = state.to_be_bytes()[0] & if state & 64 == 0 { 7 } else { 255 };
            }
            bytes[0] = 1;
            if let Ok((head, part)) = SessionHead::decode(&bytes) {
                assert_eq!(
                    SessionHead::decode(&[&head.encode()[..], part].concat()).unwrap().0,
                    head
                );
            }
        }
    }
}
