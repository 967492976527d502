//! The macros that the vocabulary is written in. One listing of a fact or a record is its type, its
//! canonical bytes, its strict reading and, in tests, its schema and its arbitrary values: they
//! cannot grow apart.

/// Appends a JSON object with these fields, in this order.
macro_rules! write_object {
    ($out:expr, $($field:ident)+) => {{
        let out: &mut Vec<u8> = $out;
        let start = out.len();
        $(
            out.extend_from_slice(concat!(",\"", stringify!($field), "\":").as_bytes());
            $crate::wire::Wire::write($field, out);
        )+
        // The first field has a brace before it where the others have a comma.
        if let Some(comma) = out.get_mut(start) {
            *comma = b'{';
        }
        out.push(b'}');
    }};
    ($out:expr, $this:ident: $($field:ident)+) => {{
        $(let $field = &$this.$field;)+
        write_object!($out, $($field)+);
    }};
}

/// Declares [`crate::Fact`] from the listings of all services. Each variant has the type that the
/// log knows it by.
macro_rules! facts {
    ({$(
        $(#[doc = $about:literal])+
        $name:ident $kind:literal {
            $($(#[doc = $meaning:literal])+ $field:ident: $type:ty,)+
        }
    )+}) => {
        /// One fact.
        // Its derived serialisation is what tests compare the bytes with.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(test, serde(tag = "type", content = "data", deny_unknown_fields))]
        pub enum Fact {
            $(
                $(#[doc = $about])+
                #[cfg_attr(test, serde(rename = $kind))]
                $name { $($(#[doc = $meaning])+ $field: $type,)+ },
            )+
        }

        impl Fact {
            /// Every type, in the order of the services.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// The fact's type, like `jobs.chunk_leased`: the same text as in the stored bytes.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$name { .. } => $kind,)+ }
            }

            /// Appends the canonical bytes of its data.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                match self { $(Self::$name { $($field),+ } => write_object!(out, $($field)+),)+ }
            }

            /// Reads the data of a type; `None` when there is no such type.
            pub(crate) fn read<'de, D: serde::Deserializer<'de>>(
                kind: &str,
                data: D,
            ) -> Option<Result<Self, D::Error>> {
                use serde::Deserialize as _;
                match kind {
                    $($kind => {
                        #[derive(serde::Deserialize)]
                        #[serde(deny_unknown_fields)]
                        struct Data { $($field: $type),+ }
                        let read = Data::deserialize(data);
                        Some(read.map(|Data { $($field),+ }| Self::$name { $($field),+ }))
                    })+
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        impl crate::tests::shape::Vocabulary for Fact {
            fn records() -> Vec<crate::tests::shape::Record> {
                vec![$(record_shape!($kind, [$($about)+], $($field: $type = [$($meaning)+],)+)),+]
            }

            fn arbitrary() -> Vec<proptest::strategy::BoxedStrategy<Self>> {
                use proptest::strategy::Strategy as _;
                vec![$(
                    arbitrary_fields!($($type,)+)
                        .prop_map(|nested!($($field)+)| Self::$name { $($field),+ })
                        .boxed()
                ),+]
            }
        }
    };
}

/// Declares an object that stands inside a fact.
macro_rules! record {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $($(#[doc = $meaning:literal])+ $field:ident: $type:ty,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[doc = $meaning])+ pub $field: $type,)+ }

        impl crate::wire::Wire for $name {
            fn write(&self, out: &mut Vec<u8>) {
                write_object!(out, self: $($field)+);
            }
        }

        #[cfg(test)]
        impl crate::tests::shape::Shape for $name {
            fn shape() -> crate::tests::node::Node {
                let name = stringify!($name);
                record_shape!(name, [$($about)+], $($field: $type = [$($meaning)+],)+).schema()
            }

            fn arbitrary() -> proptest::strategy::BoxedStrategy<Self> {
                use proptest::strategy::Strategy as _;
                arbitrary_fields!($($type,)+)
                    .prop_map(|nested!($($field)+)| Self { $($field),+ })
                    .boxed()
            }
        }
    };
}

/// What a listing says about the fields of an object.
#[cfg(test)]
macro_rules! record_shape {
    ($name:expr, [$($about:literal)+], $($field:ident: $type:ty = [$($meaning:literal)+],)+) => {
        crate::tests::shape::Record {
            name: $name,
            about: crate::tests::shape::sentence(&[$($about),+]),
            fields: vec![$(crate::tests::shape::Field {
                name: stringify!($field),
                about: crate::tests::shape::sentence(&[$($meaning),+]),
                shape: <$type as crate::tests::shape::Shape>::shape(),
            }),+],
        }
    };
}

/// Strategies for values of these types, as nested pairs: tuples of them end at twelve.
#[cfg(test)]
macro_rules! arbitrary_fields {
    () => { proptest::strategy::Just(()) };
    ($type:ty, $($rest:ty,)*) => {
        (<$type as crate::tests::shape::Shape>::arbitrary(), arbitrary_fields!($($rest,)*))
    };
}

/// Names as nested pairs.
#[cfg(test)]
macro_rules! nested {
    () => { () };
    ($name:ident $($rest:ident)*) => { ($name, nested!($($rest)*)) };
}
