//! How a command ended, and how a failure is told: what, why, what next.

use std::process::ExitCode;

use medusa_api::{FieldProblem, JobState, Problem};
use medusa_client::ClientError;
use serde_json::json;

use crate::output::Out;

/// The exit status, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    General,
    Usage,
    JobFailed,
    JobStopped,
    Forbidden,
    NotFound,
    CreditsShort,
    Conflict,
    Unavailable,
    Unverified,
    TimedOut,
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::General => 1,
            Self::Usage => 2,
            Self::JobFailed => 3,
            Self::JobStopped => 4,
            Self::Forbidden => 5,
            Self::NotFound => 6,
            Self::CreditsShort => 7,
            Self::Conflict => 8,
            Self::Unavailable => 9,
            Self::Unverified => 10,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }

    /// The outcome of a job. One that still runs is none.
    pub(crate) const fn of_job(state: JobState) -> Option<Self> {
        match state {
            JobState::Running | JobState::Paused | JobState::Merging => None,
            JobState::Done => Some(Self::Done),
            JobState::Failed => Some(Self::JobFailed),
            JobState::Cancelled => Some(Self::JobStopped),
        }
    }

    fn of_client(error: &ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => match problem.status {
                401 | 403 => Self::Forbidden,
                402 => Self::CreditsShort,
                404 | 410 => Self::NotFound,
                409 | 412 => Self::Conflict,
                429 | 502..=504 => Self::Unavailable,
                _ => Self::General,
            },
            ClientError::Connect { .. }
            | ClientError::Transport(_)
            | ClientError::Deadline(_)
            | ClientError::Cut { .. }
            | ClientError::StreamLost => Self::Unavailable,
            ClientError::Digest { .. } => Self::Unverified,
            ClientError::Address { .. } => Self::Usage,
            ClientError::Answer(_) | ClientError::File { .. } | ClientError::Changed => {
                Self::General
            }
        }
    }

    fn of(error: &anyhow::Error) -> Self {
        error
            .chain()
            .find_map(|cause| {
                cause
                    .downcast_ref::<Fail>()
                    .map(|fail| fail.exit)
                    .or_else(|| cause.downcast_ref().map(Self::of_client))
            })
            .unwrap_or(Self::General)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure that the command line itself finds.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fail {
    exit: Exit,
    message: String,
    next: Option<String>,
}

impl Fail {
    /// What went wrong.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: None }
    }

    /// And what to do about it.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Tells a failure on standard error.
pub(crate) fn report(error: &anyhow::Error, out: Out) -> Exit {
    let exit = Exit::of(error);
    let client = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>());
    let problem = client.and_then(ClientError::problem);
    let next = next_step(error, client);
    if out.json() {
        let value = json!({
            "error": format!("{error:#}"),
            "exit": exit.code(),
            "code": problem.map(|p| &p.code),
            "request_id": problem.and_then(|p| p.request_id.as_ref()),
            "errors": problem.map(|p| &p.errors),
            "next": next,
        });
        out.complain(&value.to_string());
        return exit;
    }
    out.complain(&format!("{} {error:#}", out.red("error:")));
    for line in problem.map(fields).unwrap_or_default() {
        out.complain(&format!("  {line}"));
    }
    if let Some(next) = next {
        out.complain(&format!("  {next}"));
    }
    if let Some(id) = problem.and_then(|p| p.request_id.as_ref()) {
        out.complain(&format!("  request {id}"));
    }
    exit
}

/// The refused fields, each with what is wrong there unless that was said already.
fn fields(problem: &Problem) -> Vec<String> {
    let line = |field: &FieldProblem| {
        let FieldProblem { pointer, message } = field;
        if *message == problem.detail { pointer.clone() } else { format!("{pointer}: {message}") }
    };
    problem.errors.iter().map(line).collect()
}

fn next_step(error: &anyhow::Error, client: Option<&ClientError>) -> Option<String> {
    let own = error.chain().find_map(|cause| cause.downcast_ref::<Fail>());
    if let Some(next) = own.and_then(|fail| fail.next.clone()) {
        return Some(next);
    }
    let next = match client? {
        ClientError::Problem(problem) => match problem.status {
            401 => "log in with `medusa login`",
            403 => "`medusa me` says who you are and what you may do",
            402 => "`medusa wallet` shows your credits",
            429 => "try again in a while",
            _ => return None,
        },
        ClientError::Connect { .. } => {
            "is the server running there? `--server` or MEDUSA_URL names another"
        }
        ClientError::Transport(_) | ClientError::Deadline(_) | ClientError::StreamLost => {
            "try again; `medusa doctor` looks for the reason"
        }
        ClientError::Cut { .. } => "try again: the download goes on where it broke off",
        _ => return None,
    };
    Some(next.to_owned())
}

#[cfg(test)]
mod tests {
    use medusa_types::Sha256Hash;

    use super::*;

    fn refused(status: u16) -> ClientError {
        ClientError::Problem(Box::new(Problem::new(status, "x.y", "t", "d")))
    }

    #[test]
    fn refusals_have_their_exit_status() {
        for (status, code) in [
            (400, 1),
            (401, 5),
            (403, 5),
            (404, 6),
            (402, 7),
            (409, 8),
            (422, 1),
            (429, 9),
            (500, 1),
            (503, 9),
        ] {
            let error = anyhow::Error::new(refused(status)).context("could not do it");
            assert_eq!(Exit::of(&error).code(), code, "status {status}");
        }
    }

    #[test]
    fn other_failures_have_theirs() {
        let hash = Sha256Hash::of(b"");
        let digest = ClientError::Digest { expected: hash, found: hash };
        assert_eq!(Exit::of(&digest.into()).code(), 10);
        assert_eq!(Exit::of(&ClientError::StreamLost.into()).code(), 9);
        assert_eq!(Exit::of(&Fail::new(Exit::TimedOut, "late").into()).code(), 124);
        assert_eq!(Exit::of(&anyhow::anyhow!("what")).code(), 1);
        assert_eq!(Exit::Interrupted.code(), 130);
        assert_eq!(Exit::Usage.code(), 2);
    }

    #[test]
    fn a_job_decides_the_exit_status() {
        let codes = [
            JobState::Running,
            JobState::Merging,
            JobState::Done,
            JobState::Failed,
            JobState::Cancelled,
        ]
        .map(|state| Exit::of_job(state).map(Exit::code));
        assert_eq!(codes, [None, None, Some(0), Some(3), Some(4)]);
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let mut problem = Problem::new(422, "x.y", "t", "the input is empty");
        let field = |pointer: &str, message: &str| FieldProblem {
            pointer: pointer.into(),
            message: message.into(),
        };
        problem.errors = vec![field("/input", "the input is empty"), field("/name", "no name")];
        assert_eq!(fields(&problem), ["/input", "/name: no name"]);
    }

    #[test]
    fn a_refusal_says_what_to_do_next() {
        let error = refused(401);
        let next = next_step(&anyhow::anyhow!("x"), Some(&error));
        assert!(next.is_some_and(|next| next.contains("medusa login")));
        let own = anyhow::Error::new(Fail::new(Exit::General, "x").next("do y"));
        assert_eq!(next_step(&own, None).as_deref(), Some("do y"));
    }
}
