//! Addresses with queries, written so that no value can leave its place.

/// An address of this site or its interface, with those values that are not empty.
pub(crate) fn link(path: &str, values: &[(&str, &str)]) -> String {
    let query = query(values);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The part after the question mark, with those values that are not empty.
pub(crate) fn query(values: &[(&str, &str)]) -> String {
    let pairs = values.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

/// A text as a part of a query: everything but plain characters becomes its bytes in hexadecimal.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:?=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_place() {
        let values = [("event", ""), ("stream", "a&b=c #1"), ("account", "bank:ü")];
        assert_eq!(link("/x", &values), "/x?stream=a%26b=c%20%231&account=bank:%C3%BC");
        assert_eq!(link("/x", &[("after", "")]), "/x");
    }
}
