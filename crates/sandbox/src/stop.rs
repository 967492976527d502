//! How a host call ends early: with an error number that the guest sees, or with the whole run.

use medusa_types::Outcome;

/// What most of the host returns.
pub(crate) type Sys<T> = Result<T, Stop>;

/// Why a host call did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The guest is told, and goes on.
    Errno(Errno),
    /// The run is over.
    End(Ending),
}

/// The run is over by the host's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ending {
    #[error("the program exited with status {0}")]
    Exit(i32),
    #[error("the output limit was reached")]
    OutputOut,
    #[error("the limit of files and directories was reached")]
    FilesOut,
    #[error("the machine had no memory left for the program")]
    HostMemory,
    #[error("nobody is there any more to talk to")]
    ParentGone,
}

impl Ending {
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Exit(0) => Outcome::Done,
            Self::Exit(code) => Outcome::Exit(code),
            Self::OutputOut => Outcome::OutputOut,
            Self::FilesOut => Outcome::FilesOut,
            Self::HostMemory | Self::ParentGone => Outcome::AgentFault,
        }
    }
}

/// The error numbers of WASI preview 1 that this host gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Errno {
    BadFd = 8,
    Exists = 20,
    Fault = 21,
    IllegalText = 25,
    Invalid = 28,
    IsDirectory = 31,
    TooManyFds = 33,
    NameTooLong = 37,
    NoEntry = 44,
    NotDirectory = 54,
    NotEmpty = 55,
    NotSupported = 58,
    Overflow = 61,
    NotPermitted = 63,
    ReadOnly = 69,
    NotSeekable = 70,
    NotCapable = 76,
}

impl Errno {
    /// The number that the guest gets.
    #[expect(clippy::as_conversions, reason = "reads the discriminant of a repr(i32) enum")]
    pub(crate) const fn code(self) -> i32 {
        self as i32
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Ending> for Stop {
    fn from(ending: Ending) -> Self {
        Self::End(ending)
    }
}
