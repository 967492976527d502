//! How each kind of value looks in an event: its schema, and arbitrary values of it.

use medusa_ledger::{Account, AccountState, Amount, Change, Class, Owner, Posting, Resolution};
use medusa_types::{
    AdjustmentId, AgentId, CampaignId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome,
    PendingId, ProgramId, Role, SessionId, Sha256Hash, Timestamp, UserId, Uuid, WatchId,
};
use proptest::prelude::*;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::node::Node;
use crate::EndState;

/// A value that can stand in an event.
pub(crate) trait Shape: Sized + 'static {
    /// JSON Schema of what is written, and of nothing else.
    fn shape() -> Node;

    /// Any value.
    fn arbitrary() -> BoxedStrategy<Self>;
}

/// All facts.
pub(crate) trait Vocabulary: Sized {
    /// What is in each, in the order of the listing.
    fn records() -> Vec<Record>;

    /// Any of each.
    fn arbitrary() -> Vec<BoxedStrategy<Self>>;
}

/// A listing of fields.
pub(crate) struct Record {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) fields: Vec<Field>,
}

/// One of them.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) shape: Node,
}

impl Record {
    /// The schema of the object: its fields in their order, all of them, no other.
    pub(crate) fn schema(self) -> Node {
        let names: Vec<_> = self.fields.iter().map(|field| field.name).collect();
        let describe = |field: Field| {
            let Node::Object(mut shape) = field.shape else { panic!("a shape is an object") };
            // Next to the meaning in this place, what a value of this kind is says nothing new.
            shape.retain(|(key, _)| key != "description");
            shape.insert(0, ("description".to_owned(), field.about.into()));
            (field.name.to_owned(), Node::Object(shape))
        };
        Node::from([("description", self.about.into()), ("type", "object".into())])
            .with("required", names)
            .with("properties", Node::Object(self.fields.into_iter().map(describe).collect()))
            .with("additionalProperties", false)
    }
}

/// The lines of a comment as one text.
pub(crate) fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Text that a pattern describes.
pub(crate) fn pattern(pattern: &str) -> Node {
    [("type", "string".into()), ("pattern", pattern.into())].into()
}

/// A whole number from here to there.
pub(crate) fn integer(from: impl Into<i128>, to: impl Into<i128>) -> Node {
    let (from, to) = (from.into(), to.into());
    [("type", "integer".into()), ("minimum", from.into()), ("maximum", to.into())].into()
}

/// One of several.
pub(crate) fn one_of(shapes: impl IntoIterator<Item = Node>) -> Node {
    [("oneOf", Node::List(shapes.into_iter().collect()))].into()
}

/// Text without a shape, as long as it likes, with what JSON has to escape and what it has not.
pub(crate) fn any_text() -> BoxedStrategy<String> {
    prop_oneof![".{0,24}", "[\"\\\\/\u{0}-\u{1f}\u{7f}\u{2028}é😀a-z]{0,24}"].boxed()
}

macro_rules! numbers {
    ($($type:ty: $inner:ty, $make:expr;)*) => {$(
        impl Shape for $type {
            fn shape() -> Node {
                integer(<$inner>::MIN, <$inner>::MAX)
            }

            fn arbitrary() -> BoxedStrategy<Self> {
                let edges = proptest::sample::select(vec![<$inner>::MIN, 0, 1, <$inner>::MAX]);
                prop_oneof![any::<$inner>(), edges].prop_map($make).boxed()
            }
        }
    )*};
}

numbers! {
    u32: u32, |n| n;
    u64: u64, |n| n;
    Fuel: u64, Fuel;
    ChunkIndex: u32, ChunkIndex;
    Timestamp: i64, Timestamp::from_micros;
    Amount: i64, Amount::new;
}

macro_rules! ids {
    ($($type:ident)*) => {$(
        impl Shape for $type {
            fn shape() -> Node {
                pattern(&format!("^{}_[0-9a-f]{{32}}$", Self::PREFIX))
            }

            fn arbitrary() -> BoxedStrategy<Self> {
                any::<u128>().prop_map(|n| Self(Uuid::from_u128(n))).boxed()
            }
        }
    )*};
}

ids! { UserId JobId ProgramId AgentId LeaseId CampaignId WatchId PendingId AdjustmentId SessionId }

/// Asks an enum for the names of its variants, instead of giving it a value.
struct Ask<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = variants;
        Err(Error::custom("asked"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The names of the variants of an enum.
fn words<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut found: &[&str] = &[];
    assert!(T::deserialize(Ask(&mut found)).is_err());
    assert!(!found.is_empty());
    found.to_vec()
}

/// Words: one of the unit variants of an enum, as the enum itself tells them.
macro_rules! words {
    ($($type:ident)*) => {$(
        impl Shape for $type {
            fn shape() -> Node {
                [("type", "string".into()), ("enum", words::<Self>().into())].into()
            }

            fn arbitrary() -> BoxedStrategy<Self> {
                let read = |word: &str| serde_json::from_value(word.into()).unwrap();
                proptest::sample::select(words::<Self>()).prop_map(read).boxed()
            }
        }
    )*};
}

words! { Role EndState AccountState Resolution }

impl Shape for String {
    fn shape() -> Node {
        [("type", "string".into())].into()
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        any_text()
    }
}

impl Shape for Sha256Hash {
    fn shape() -> Node {
        pattern("^[0-9a-f]{64}$")
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        any::<[u8; 32]>().prop_map(Self).boxed()
    }
}

impl Shape for Credits {
    fn shape() -> Node {
        // Nothing; or more, or less: from 1 on with two places or up to six that do not end in 0,
        // and the same below 1, where not all places may be 0.
        pattern(
            "^(0\\.00|-?([1-9][0-9]{0,12}\\.[0-9]{2}([0-9]{0,3}[1-9])?\
             |0\\.([1-9]0|[0-9]{1,5}[1-9])))$",
        )
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        let scale = proptest::sample::select(vec![1_i64, 10, 1_000, 10_000, 1_000_000]);
        let round = (any::<i64>(), scale).prop_map(|(n, scale)| n - n % scale);
        let small = -2_000_000..2_000_000_i64;
        let edges = proptest::sample::select(vec![-i64::MAX, 0, 1, -1, i64::MAX]);
        // The least number of all is the one that credits cannot be read back from.
        prop_oneof![round, small, edges].prop_map(Self::from_micros).boxed()
    }
}

impl<T: Shape + Clone + std::fmt::Debug> Shape for Option<T> {
    fn shape() -> Node {
        one_of([[("type", "null".into())].into(), T::shape()])
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        proptest::option::of(T::arbitrary()).boxed()
    }
}

impl<T: Shape + std::fmt::Debug> Shape for Vec<T> {
    fn shape() -> Node {
        [("type", "array".into()), ("items", T::shape())].into()
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        proptest::collection::vec(T::arbitrary(), 0..4).boxed()
    }
}

impl Shape for Account {
    fn shape() -> Node {
        [("$ref", "envelope.json#/$defs/account".into())].into()
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        let owner = |class: Class| match class.owner() {
            Owner::House => Just(String::new()).boxed(),
            Owner::User => UserId::arbitrary().prop_map(|id| format!(":{id}")).boxed(),
            Owner::Job => JobId::arbitrary().prop_map(|id| format!(":{id}")).boxed(),
            Owner::Campaign => CampaignId::arbitrary().prop_map(|id| format!(":{id}")).boxed(),
            Owner::Provider => PROVIDER.prop_map(|name: String| format!(":{name}")).boxed(),
        };
        let of = move |class: Class| owner(class).prop_map(move |of| (class, of));
        proptest::sample::select(Class::ALL)
            .prop_flat_map(of)
            .prop_map(|(class, of)| format!("{}{of}", class.name()).parse().unwrap())
            .boxed()
    }
}

/// The name of a payment provider.
const PROVIDER: &str = "[a-z0-9_]{1,16}";

/// What an account is, by the chart: each class, and whom its accounts belong to.
pub(crate) fn account() -> Node {
    let id = |prefix: &str| format!(":{prefix}_[0-9a-f]{{32}}");
    let of = |owner: Owner, tail: String| {
        let classes = Class::ALL.iter().filter(|class| class.owner() == owner);
        let names: Vec<_> = classes.map(|class| class.name().replace('.', "\\.")).collect();
        assert!(!names.is_empty());
        pattern(&format!("^({}){tail}$", names.join("|")))
    };
    one_of([
        of(Owner::House, String::new()),
        of(Owner::User, id(UserId::PREFIX)),
        of(Owner::Job, id(JobId::PREFIX)),
        of(Owner::Campaign, id(CampaignId::PREFIX)),
        of(Owner::Provider, format!(":{PROVIDER}")),
    ])
}

impl Shape for Posting {
    fn shape() -> Node {
        let pair = Node::List(vec![Account::shape(), Amount::shape()]);
        Node::from([("type", "array".into()), ("prefixItems", pair)])
            .with("minItems", 2_i128)
            .with("items", false)
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        (Account::arbitrary(), Amount::arbitrary()).prop_map(|(of, n)| Self(of, n)).boxed()
    }
}

/// An object with exactly these fields.
pub(crate) fn object<const N: usize>(fields: [(&str, Node); N]) -> Node {
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    Node::from([("type", "object".into()), ("required", names.into())])
        .with("properties", Node::from(fields))
        .with("additionalProperties", false)
}

/// Every end of a run but an exit status.
fn plain_outcomes() -> Vec<Outcome> {
    let all = [
        Outcome::Done,
        Outcome::Trap,
        Outcome::FuelOut,
        Outcome::MemoryOut,
        Outcome::OutputOut,
        Outcome::WallOut,
        Outcome::StackOut,
        Outcome::AgentFault,
        Outcome::CompileOut,
        Outcome::TableOut,
        Outcome::FilesOut,
    ];
    // A new way to end does not compile here, and is then added above.
    let is_plain = |outcome: &Outcome| match outcome {
        Outcome::Exit(_) => false,
        Outcome::Done
        | Outcome::Trap
        | Outcome::FuelOut
        | Outcome::MemoryOut
        | Outcome::OutputOut
        | Outcome::WallOut
        | Outcome::StackOut
        | Outcome::AgentFault
        | Outcome::CompileOut
        | Outcome::TableOut
        | Outcome::FilesOut => true,
    };
    all.into_iter().filter(is_plain).collect()
}

impl Shape for Outcome {
    fn shape() -> Node {
        let kind = |outcome: Outcome| {
            serde_json::to_value(outcome).unwrap()["kind"].as_str().unwrap().to_owned()
        };
        let plain: Vec<_> = plain_outcomes().into_iter().map(kind).collect();
        let exit = Node::from([("const", kind(Self::Exit(0)).into())]);
        one_of([
            object([("kind", [("enum", plain.into())].into())]),
            object([("kind", exit), ("code", integer(i32::MIN, i32::MAX))]),
        ])
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        let plain = proptest::sample::select(plain_outcomes());
        prop_oneof![plain, any::<i32>().prop_map(Self::Exit)].boxed()
    }
}

impl Shape for Change {
    fn shape() -> Node {
        let reserved = object([
            ("pending", PendingId::shape()),
            ("from", Account::shape()),
            ("to", Account::shape()),
            ("amount", Amount::shape()),
            ("expires_at", Option::<Timestamp>::shape()),
        ]);
        let resolved = object([
            ("pending", PendingId::shape()),
            ("how", Resolution::shape()),
            ("amount", Amount::shape()),
        ]);
        let state = object([("account", Account::shape()), ("state", AccountState::shape())]);
        one_of([
            object([("reserved", reserved)]),
            object([("resolved", resolved)]),
            object([("state", state)]),
        ])
    }

    fn arbitrary() -> BoxedStrategy<Self> {
        let pair = || (PendingId::arbitrary(), Amount::arbitrary());
        let ends = (Account::arbitrary(), Account::arbitrary());
        let reserved = (pair(), ends, Option::<Timestamp>::arbitrary()).prop_map(
            |((pending, amount), (from, to), expires_at)| Self::Reserved {
                pending,
                from,
                to,
                amount,
                expires_at,
            },
        );
        let resolved = (pair(), Resolution::arbitrary())
            .prop_map(|((pending, amount), how)| Self::Resolved { pending, how, amount });
        let state = (Account::arbitrary(), AccountState::arbitrary())
            .prop_map(|(account, state)| Self::State { account, state });
        prop_oneof![reserved, resolved, state].boxed()
    }
}
