//! The documents that describe events: one for the envelope, one for each fact.

use std::fmt::Write as _;

use medusa_ledger::{Change, Posting};
use medusa_types::{Timestamp, UserId};

use super::node::Node;
use super::shape::{Field, Record, Shape, Vocabulary, account, integer, one_of};
use crate::{FORMAT, Fact};

/// The dialect of every document.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// File names and contents, all of `docs/events/schema/`.
pub(crate) fn documents() -> Vec<(String, String)> {
    let facts = Fact::records().into_iter().map(|fact| (fact.name, fact.schema()));
    let all = facts.chain([("envelope", envelope())]);
    all.map(|(name, schema)| (format!("{name}.json"), document(name, schema))).collect()
}

fn document(name: &str, schema: Node) -> String {
    let Node::Object(rest) = schema else { panic!("a schema is an object") };
    let head = Node::from([("$schema", DIALECT.into()), ("title", name.into())]);
    let whole = rest.into_iter().fold(head, |node, (key, part)| node.with(&key, part));
    let mut text = String::new();
    writeln!(text, "{whole}").unwrap();
    text
}

fn field(name: &'static str, about: &str, shape: Node) -> Field {
    Field { name, about: about.to_owned(), shape }
}

/// From 1 without gaps.
fn place() -> Node {
    integer(1, i64::MAX)
}

fn envelope() -> Node {
    let some = |shape: Node| one_of([[("type", "null".into())].into(), shape]);
    let kinds = Fact::KINDS.to_vec();
    let data = [("type", "object".into())].into();
    let record = Record {
        name: "envelope",
        about: "One event as the log stores it. Its bytes have the properties in this order; \
                `changes` is left out when it is empty."
            .to_owned(),
        fields: vec![
            field(
                "format",
                "The version of the envelope.",
                [("const", i128::from(FORMAT).into())].into(),
            ),
            field("position", "Place in the log, from 1 without gaps.", place()),
            field("stream", "The thing that it is about.", String::shape()),
            field("version", "Place in the stream, from 1 without gaps.", place()),
            field(
                "at",
                "When it was written, in microseconds since 1970 UTC; never before the event at the position before.",
                Timestamp::shape(),
            ),
            field(
                "actor",
                "The person who caused it; null for the house.",
                Option::<UserId>::shape(),
            ),
            field("operation", "The caller's own id for the command.", Option::<String>::shape()),
            field("causation", "The position of the event that led to it.", some(place())),
            field(
                "postings",
                "What moved: account, and what it gained in whole units of its currency (micro-credits, cents). Sums to zero in each currency.",
                Vec::<Posting>::shape(),
            ),
            field(
                "changes",
                "What else changed in the books: reservations, and accounts that were opened, frozen or closed.",
                Vec::<Change>::shape().with("minItems", 1_i128),
            ),
            field(
                "type",
                "What happened.",
                [("type", "string".into()), ("enum", kinds.into())].into(),
            ),
            field("data", "The fields of the fact, by its type.", data),
        ],
    };
    let Node::Object(mut fields) = record.schema() else { panic!("a schema is an object") };
    for (key, node) in &mut fields {
        if let ("required", Node::List(names)) = (key.as_str(), node) {
            names.retain(|name| *name != Node::from("changes"));
        }
    }
    let by_type = |kind: &&str| {
        let is = Node::from([("type", Node::from([("const", (*kind).into())]))]);
        let data = Node::from([("data", Node::from([("$ref", format!("{kind}.json").into())]))]);
        Node::from([
            ("if", Node::from([("properties", is)])),
            ("then", Node::from([("properties", data)])),
        ])
    };
    Node::Object(fields)
        .with("allOf", Node::List(Fact::KINDS.iter().map(by_type).collect()))
        .with("$defs", Node::from([("account", account())]))
}
