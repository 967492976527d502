//! Why a chunk is not done, in words. Pure.

use medusa_api::{Chunk, ChunkState};
use medusa_protocol::Phase;

/// How the copies of a chunk ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// With a report.
    pub(super) reported: i64,
    /// Without one.
    pub(super) lost: i64,
}

/// Why the chunk of a running job is not done; nothing when it is. `early` says how far its copies
/// are if none computes yet, and `fleet` who is there.
pub(super) fn in_words(
    chunk: &Chunk,
    ended: Ended,
    early: Option<Phase>,
    fleet: &str,
) -> Option<String> {
    let results = match ended.reported {
        1 => "one result is in".to_owned(),
        n => format!("{n} results are in"),
    };
    match (chunk.state, ended) {
        (ChunkState::Waiting, Ended { reported: 0, lost: 0 }) => {
            Some(format!("no agent has taken it yet; {fleet}"))
        }
        (ChunkState::Waiting, Ended { reported: 0, lost }) => Some(format!(
            "{} ended without a result; it waits for another agent; {fleet}",
            copies(lost)
        )),
        (ChunkState::Waiting, _) => {
            Some(format!("{results}; it waits for an agent of another owner to check it; {fleet}"))
        }
        (ChunkState::Leased, Ended { reported: 0, lost }) => {
            let live = i64::from(chunk.attempts).saturating_sub(lost);
            if let Some(step) = early.and_then(step) {
                return Some(step.to_owned());
            }
            Some(match live {
                ..=1 => "one copy is being computed".to_owned(),
                live => format!("{live} copies are being computed"),
            })
        }
        (ChunkState::Leased, _) => Some(match early.and_then(step) {
            Some(step) => format!("{results}; to check it, {step}"),
            None => format!("{results}; another copy is being computed to check it"),
        }),
        (ChunkState::Verified | ChunkState::Unverified | ChunkState::Failed, _) => None,
    }
}

/// What an agent does before it computes a chunk.
const fn step(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Fetching => Some("an agent fetches the program and the input"),
        Phase::Compiling => Some("an agent compiles the program"),
        Phase::Waiting => Some("an agent has it, and computes others before it"),
        Phase::Computing | Phase::Reporting => None,
    }
}

fn copies(n: i64) -> String {
    if n == 1 { "one copy".to_owned() } else { format!("{n} copies") }
}

#[cfg(test)]
mod tests {
    use medusa_types::{ChunkIndex, Credits};

    use super::*;

    fn words(state: ChunkState, attempts: u32, reported: i64, lost: i64) -> String {
        words_at(state, attempts, (reported, lost), None)
    }

    fn words_at(
        state: ChunkState,
        attempts: u32,
        (reported, lost): (i64, i64),
        early: Option<Phase>,
    ) -> String {
        let chunk = Chunk {
            index: ChunkIndex(0),
            state,
            attempts,
            verdict: None,
            outcome: None,
            output: None,
            fuel: None,
            price: Credits::ZERO,
            stderr: String::new(),
            waiting: None,
        };
        in_words(&chunk, Ended { reported, lost }, early, "2 agents: 2 busy").unwrap_or_default()
    }

    #[test]
    fn each_reason_has_its_words() {
        use ChunkState::{Leased, Verified, Waiting};
        for (state, attempts, reported, lost, said) in [
            (Waiting, 0, 0, 0, "no agent has taken it yet; 2 agents: 2 busy"),
            (
                Waiting,
                2,
                0,
                2,
                "2 copies ended without a result; it waits for another agent; 2 agents: 2 busy",
            ),
            (
                Waiting,
                1,
                1,
                0,
                "one result is in; it waits for an agent of another owner to check it; 2 agents: 2 \
                 busy",
            ),
            (Leased, 3, 0, 1, "2 copies are being computed"),
            (Leased, 2, 0, 1, "one copy is being computed"),
            (Leased, 2, 1, 0, "one result is in; another copy is being computed to check it"),
            (Verified, 2, 2, 0, ""),
        ] {
            assert_eq!(words(state, attempts, reported, lost), said);
        }
    }

    #[test]
    fn what_does_not_compute_yet_is_not_said_to() {
        let words = |reported, phase| words_at(ChunkState::Leased, 2, (reported, 0), Some(phase));
        assert_eq!(words(0, Phase::Compiling), "an agent compiles the program");
        assert_eq!(
            words(1, Phase::Fetching),
            "one result is in; to check it, an agent fetches the program and the input"
        );
        assert_eq!(words(0, Phase::Computing), "2 copies are being computed");
    }
}
