//! JSON whose keys stand in the order in which they were put, as people read it.

use std::fmt;

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Flag(bool),
    Number(i128),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i128> for Node {
    fn from(number: i128) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<const N: usize> From<[(&str, Self); N]> for Node {
    fn from(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    }
}

impl Node {
    /// This object and one more field.
    pub(crate) fn with(self, key: &str, node: impl Into<Self>) -> Self {
        let Self::Object(mut fields) = self else { panic!("{self} is no object") };
        fields.push((key.to_owned(), node.into()));
        Self::Object(fields)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = |depth: usize| "  ".repeat(depth);
        let plain = |node: &Self| !matches!(node, Self::List(_) | Self::Object(_));
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(&serde_json::to_string(text).unwrap()),
            Self::List(items) if items.iter().all(plain) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    write!(f, "{}\n{}", if n == 0 { "[" } else { "," }, indent(depth + 1))?;
                    item.print(f, depth + 1)?;
                }
                write!(f, "\n{}]", indent(depth))
            }
            Self::Object(fields) => {
                for (n, (key, node)) in fields.iter().enumerate() {
                    let open = if n == 0 { "{" } else { "," };
                    write!(f, "{open}\n{}\"{key}\": ", indent(depth + 1))?;
                    node.print(f, depth + 1)?;
                }
                write!(f, "\n{}}}", indent(depth))
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0)
    }
}
