//! How much goes into a chunk, where an input is made of items: lines, rows, numbers.
//!
//! The JSON form is a whole number of items, or an object with one key: `{"count": n}`,
//! `{"bytes": n}` or `{"seconds": n}`. A count is always written as the plain number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// How much goes into a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many items.
    Count(u64),
    /// As many items as fit into so many bytes, and at least one.
    Bytes(u64),
    /// As many items as one run computes in about so many seconds. A quote turns it into a count.
    Seconds(u64),
}

impl Size {
    /// The most seconds that can be aimed at: a run is stopped at 30 minutes.
    pub const SECONDS_MAX: u64 = 600;

    /// Whether it is within its limits.
    #[must_use]
    pub const fn is_sound(self) -> bool {
        match self {
            Self::Count(n) | Self::Bytes(n) => n > 0,
            Self::Seconds(n) => n > 0 && n <= Self::SECONDS_MAX,
        }
    }
}

impl From<u64> for Size {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, n) = match self {
            Self::Count(n) => return serializer.serialize_u64(*n),
            Self::Bytes(n) => ("bytes", n),
            Self::Seconds(n) => ("seconds", n),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(key, n)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

const KEYS: &[&str] = &["count", "bytes", "seconds"];

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or one of {\"count\": n}, {\"bytes\": n} and {\"seconds\": n}")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Size, E> {
        Ok(Size::Count(n))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Size, E> {
        let count = u64::try_from(n);
        count.map(Size::Count).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Size, A::Error> {
        let Some((key, n)) = map.next_entry::<Cow<'de, str>, u64>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let size = match key.as_ref() {
            "count" => Size::Count(n),
            "bytes" => Size::Bytes(n),
            "seconds" => Size::Seconds(n),
            other => return Err(de::Error::unknown_field(other, KEYS)),
        };
        if map.next_key::<Cow<'de, str>>()?.is_some() {
            return Err(de::Error::invalid_length(2, &self));
        }
        Ok(size)
    }
}

impl PartialSchema for Size {
    fn schema() -> RefOr<Schema> {
        let whole = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1_u64));
        let keyed = |key: &str| {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property(key, whole())
                .required(key)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let forms =
            KEYS.iter().fold(OneOfBuilder::new().item(whole()), |all, key| all.item(keyed(key)));
        forms
            .description(Some(
                "How much goes into a chunk: so many items, as many as fit into so many bytes, or \
                 as many as one run computes in about so many seconds.",
            ))
            .into()
    }
}

impl ToSchema for Size {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Size")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_a_count_is_written_as_a_number() {
        for (text, size, written) in [
            ("7", Size::Count(7), "7"),
            (r#"{"count":7}"#, Size::Count(7), "7"),
            (r#"{"bytes":8}"#, Size::Bytes(8), r#"{"bytes":8}"#),
            (r#"{"seconds":9}"#, Size::Seconds(9), r#"{"seconds":9}"#),
        ] {
            assert_eq!(serde_json::from_str::<Size>(text).unwrap(), size, "{text}");
            assert_eq!(serde_json::to_string(&size).unwrap(), written);
        }
    }

    #[test]
    fn other_forms_are_refused_in_words() {
        for (text, part) in [
            ("-1", "a whole number, or one of"),
            ("1.5", "a whole number, or one of"),
            ("\"7\"", "a whole number, or one of"),
            ("{}", "invalid length 0"),
            (r#"{"minutes":1}"#, "unknown field `minutes`"),
            (r#"{"count":1,"bytes":1}"#, "invalid length 2"),
        ] {
            let error = serde_json::from_str::<Size>(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn nothing_and_an_hour_are_no_sizes() {
        assert!(Size::Count(1).is_sound() && Size::Bytes(1).is_sound());
        assert!(Size::Seconds(600).is_sound());
        for size in [Size::Count(0), Size::Bytes(0), Size::Seconds(0), Size::Seconds(3600)] {
            assert!(!size.is_sound(), "{size:?}");
        }
    }
}
