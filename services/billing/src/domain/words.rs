//! How a line of a statement reads.

use medusa_events::Fact;
use medusa_types::JobId;

/// What a fact means to the person whose account it moved.
pub(crate) fn in_words(fact: &Fact) -> String {
    match fact {
        Fact::CreditsGranted { why, .. } if why == "welcome" => "Welcome gift".to_owned(),
        Fact::CreditsGranted { why, .. } => format!("Gift: {why}"),
        Fact::EscrowHeld { job, .. } => format!("Held for {}", short(*job)),
        Fact::EscrowRaised { job, .. } => format!("Held more for {}", short(*job)),
        Fact::ChunkSettled { job, chunk, .. } => {
            format!("Earned for chunk {chunk} of {}", short(*job))
        }
        Fact::EscrowReleased { job, .. } => format!("Returned from {}", short(*job)),
        Fact::BooksAdjusted { reason, .. } => {
            format!("Adjusted by the house: {}", reason.replace('_', " "))
        }
        Fact::WatchRewarded { .. } => "Watched an ad".to_owned(),
        other => other.kind().to_owned(),
    }
}

/// Ids made together start alike, so the end tells them apart.
fn short(job: JobId) -> String {
    let id = job.to_string();
    let tail: String = id.chars().skip(id.chars().count().saturating_sub(8)).collect();
    format!("job \u{2026}{tail}")
}
