//! Reading an event in one pass, in the order in which its bytes are written. Nothing is buffered:
//! the type stands before the data, so the data are read at once as what they are.
//!
//! Whatever is not read here is looked at again by `doubt`, which says why, or lifts it.

use std::fmt;

use medusa_ledger::Change;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::{Envelope, FORMAT, Fact};

/// The event, if these bytes are one of the present shape in the canonical order.
pub(crate) fn read(bytes: &[u8]) -> Option<Envelope> {
    serde_json::from_slice::<InOrder>(bytes).ok().map(|InOrder(envelope)| envelope)
}

struct InOrder(Envelope);

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Fields)
    }
}

/// Asks for the fields one after the other.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = InOrder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
        let map = &mut map;
        let format = field(map, "format")?;
        if format != FORMAT {
            return Err(A::Error::custom("another format"));
        }
        let position = field(map, "position")?;
        let stream = field(map, "stream")?;
        let version = field(map, "version")?;
        let at = field(map, "at")?;
        let actor = field(map, "actor")?;
        let operation = field(map, "operation")?;
        let causation = field(map, "causation")?;
        let postings = field(map, "postings")?;
        let (changes, kind) = changes_and_type(map)?;
        key(map, "data")?;
        let fact = map.next_value_seed(Data(kind))?;
        end(map)?;
        Ok(InOrder(Envelope {
            format,
            position,
            stream,
            version,
            at,
            actor,
            operation,
            causation,
            postings,
            changes,
            fact,
        }))
    }
}

/// The data of a type.
struct Data<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Data<'_> {
    type Value = Fact;

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<Fact, D::Error> {
        Fact::read(self.0, data).unwrap_or_else(|| Err(D::Error::custom("an unknown type")))
    }
}

fn key<'de, A: MapAccess<'de>>(map: &mut A, name: &'static str) -> Result<(), A::Error> {
    match map.next_key::<&str>()? {
        Some(found) if found == name => Ok(()),
        _ => Err(A::Error::missing_field(name)),
    }
}

fn field<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    name: &'static str,
) -> Result<T, A::Error> {
    key(map, name)?;
    map.next_value()
}

fn changes_and_type<'de, A: MapAccess<'de>>(
    map: &mut A,
) -> Result<(Vec<Change>, &'de str), A::Error> {
    match map.next_key::<&str>()? {
        Some("type") => Ok((Vec::new(), map.next_value()?)),
        Some("changes") => Ok((map.next_value()?, field(map, "type")?)),
        _ => Err(A::Error::missing_field("type")),
    }
}

fn end<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    match map.next_key::<de::IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("something follows the data")),
    }
}
