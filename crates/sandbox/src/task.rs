//! What the parent asks of a worker process and what it hears: plain data, as CBOR in frames of
//! `u32` LE length and content. Both ends are the same program, so the encoding has no versions.

use medusa_types::{Limits, Outcome};
use minicbor::bytes::{ByteSlice, ByteVec};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::walls::Walls;

/// One run of a program: everything that it can see, and what it may use.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Task {
    /// The arguments after `guest`, which is always `argv[0]`.
    #[n(0)]
    pub args: Vec<String>,
    /// The whole environment.
    #[n(1)]
    pub env: Vec<(String, String)>,
    /// The chunk, as standard input.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub stdin: Vec<u8>,
    /// Files by their path without the leading slash: `in/…`, `data/…`, and `job/…` for what only
    /// `/job` shows, before a file of the same name in the other two.
    #[cbor(n(3), encode_with = "encode_files", decode_with = "decode_files")]
    pub files: Vec<(String, Vec<u8>)>,
    /// What all randomness is made from.
    #[n(4)]
    pub seed: u64,
    /// When the virtual clock starts, in milliseconds since 1970.
    #[n(5)]
    pub clock_ms: u64,
    /// What the run may use.
    #[n(6)]
    pub limits: Limits,
}

impl Task {
    /// A run without arguments, environment, input or files.
    #[must_use]
    pub const fn empty(limits: Limits) -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            files: Vec::new(),
            seed: 0,
            clock_ms: 0,
            limits,
        }
    }
}

/// How one run went.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// How it ended.
    #[n(0)]
    pub outcome: Outcome,
    /// An encoded [`medusa_types::Bundle`] of standard output and the files of `/out`. It has no
    /// entries unless the program ended by itself ([`Outcome::Done`] or [`Outcome::Exit`]).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub output: Vec<u8>,
    /// Fuel used, by the meter [`medusa_types::METER`]. It is 0 where nobody knows
    /// ([`Outcome::WallOut`]).
    #[n(2)]
    pub fuel: u64,
    /// The end of standard error as text without control characters, and the reason of a trap.
    #[n(3)]
    pub stderr: String,
    /// Linear memory at the end, which is its peak, in bytes.
    #[n(4)]
    pub memory_bytes: u64,
    /// CPU time of the run, in milliseconds; this differs between machines.
    #[n(5)]
    pub cpu_ms: u64,
}

/// What the parent asks.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Request {
    /// Which compiled files this engine on this machine can load: [`Reply::Text`].
    #[n(0)]
    Fingerprint(#[n(0)] bool),
    /// Compile a module, strict or not, in so much address space: [`Reply::Compiled`].
    #[n(1)]
    Compile(#[n(0)] bool, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>, #[n(2)] u64),
    /// Load the compiled file at this path: [`Reply::Loaded`]. A live guest's worker also opens
    /// the memory that it shares with its parent, if it can.
    #[n(2)]
    Load(#[n(0)] bool, #[n(1)] String, #[n(2)] Option<String>),
    /// Run the loaded program: [`Reply::Report`].
    #[n(3)]
    Run(#[n(0)] Task),
    /// Raise the walls around nothing: [`Reply::Loaded`].
    #[n(4)]
    Walls,
    /// Run the loaded program as a live guest. From here on there are only heads and frames
    /// ([`crate::frames`]), the last of them the reply.
    #[n(5)]
    Open(#[n(0)] Task),
}

/// What the worker answers.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Reply {
    #[n(0)]
    Text(#[n(0)] String),
    #[n(1)]
    Compiled(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(2)]
    Report(#[n(0)] Report),
    /// It could not be done, in words.
    #[n(3)]
    Failed(#[n(0)] String),
    /// The doors are closed, and this stands. Whether there is shared memory.
    #[n(4)]
    Loaded(#[n(0)] Walls, #[n(1)] bool),
}

/// Byte strings instead of arrays of numbers: a chunk may have many megabytes.
fn encode_files<C, W: encode::Write>(
    files: &[(String, Vec<u8>)],
    e: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), encode::Error<W::Error>> {
    e.array(u64::try_from(files.len()).unwrap_or(u64::MAX))?;
    for (name, content) in files {
        e.encode((name, <&ByteSlice>::from(content.as_slice())))?;
    }
    Ok(())
}

fn decode_files<'b, C>(
    d: &mut Decoder<'b>,
    _: &mut C,
) -> Result<Vec<(String, Vec<u8>)>, decode::Error> {
    let files: Vec<(String, ByteVec)> = d.decode()?;
    Ok(files.into_iter().map(|(name, content)| (name, content.into())).collect())
}

/// One frame, ready to be written.
///
/// # Errors
/// Says why the message does not fit.
pub(crate) fn frame<T: Encode<()>>(message: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; 4];
    encode(message, &mut bytes).map_err(|e| e.to_string())?;
    let length = u32::try_from(bytes.len().saturating_sub(4));
    let length = length.or(Err("the message is larger than 4 GiB"))?;
    if let Some(head) = bytes.first_chunk_mut::<4>() {
        *head = length.to_le_bytes();
    }
    Ok(bytes)
}

/// The message in a frame's content.
///
/// # Errors
/// Says what is wrong with it.
pub(crate) fn message<'b, T: Decode<'b, ()>>(content: &'b [u8]) -> Result<T, String> {
    decode(content).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_survives_its_frame() {
        let task = Task {
            args: vec!["--n".into(), "2".into()],
            env: vec![("MEDUSA_CHUNK".into(), "7".into())],
            stdin: vec![0, 255],
            files: vec![("in/a".into(), vec![1; 300]), ("data/b".into(), Vec::new())],
            seed: u64::MAX,
            clock_ms: 1,
            limits: Limits {
                fuel: 1,
                memory_bytes: 2,
                output_bytes: 3,
                stderr_bytes: 4,
                wall_ms: 5,
            },
        };
        let bytes = frame(&Request::Run(task.clone())).expect("a frame");
        let Ok(Request::Run(back)) = message(&bytes[4..]) else { panic!("another request") };
        assert_eq!(back, task);
        assert!(bytes.len() < 450, "bytes must not become arrays of numbers");
    }
}
