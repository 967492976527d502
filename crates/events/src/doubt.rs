//! A second look at bytes that are no canonical event of today: an older shape is lifted, anything
//! else gets the error that says what is the matter.

use std::borrow::Cow;

use medusa_ledger::{Change, Posting};
use medusa_types::{Timestamp, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::history::{self, Upcaster};
use crate::{DecodeError, Envelope, FORMAT, Fact};

/// An event whose data are not yet read, its fields in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    format: u64,
    position: i64,
    stream: String,
    version: i64,
    at: Timestamp,
    actor: Option<UserId>,
    operation: Option<String>,
    causation: Option<i64>,
    postings: Vec<Posting>,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The event, lifted by these steps to its present shape.
///
/// # Errors
/// What is wrong with the bytes when no step fits them.
pub(crate) fn look_again(bytes: &[u8], steps: &[Upcaster]) -> Result<Envelope, DecodeError> {
    let header = Header::read(bytes)?;
    let refused = match fact(&header.kind, header.data.get()) {
        // All that an event says is there: it is only written in another way.
        Ok(fact) => return Err(DecodeError::NotCanonical(fact.kind().to_owned())),
        Err(refused) => refused,
    };
    let lifted = history::lift(steps, &header.kind, header.data.get());
    let (kind, data) = lifted.ok_or(refused)?;
    let fact = fact(&kind, &data)?;
    Ok(header.with(fact))
}

fn fact(kind: &str, data: &str) -> Result<Fact, DecodeError> {
    let mut data = serde_json::Deserializer::from_slice(data.as_bytes());
    let read = Fact::read(kind, &mut data).ok_or_else(|| DecodeError::unknown(kind))?;
    read.map_err(|source| DecodeError::Data { kind: kind.to_owned(), source })
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let header: Result<Self, _> = serde_json::from_slice(bytes);
        let format = match &header {
            Ok(header) => Some(header.format),
            // An event of another format may have other fields: that is then the better answer.
            Err(_) => serde_json::from_slice(bytes).ok().map(|Format { format }| format),
        };
        match format.filter(|format| *format != u64::from(FORMAT)) {
            Some(other) => Err(DecodeError::Format(other)),
            None => header.map_err(DecodeError::Envelope),
        }
    }

    fn with(self, fact: Fact) -> Envelope {
        Envelope {
            format: FORMAT,
            position: self.position,
            stream: self.stream,
            version: self.version,
            at: self.at,
            actor: self.actor,
            operation: self.operation,
            causation: self.causation,
            postings: self.postings,
            changes: self.changes,
            fact,
        }
    }
}
