//! Names of archive entries and of files that a splitter wrote. A name is data: it becomes a path
//! that the guest sees, never one of this machine. Names that try to be more are refused, not
//! repaired. Pure.

/// The most bytes of a name.
const NAME_BYTES_MAX: usize = 1000;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("it has no name")]
    Empty,
    /// Longer than any path.
    #[error("its name is longer than {NAME_BYTES_MAX} bytes")]
    Long,
    /// From the root or with a drive letter.
    #[error("its name is an absolute path")]
    Absolute,
    /// With `..`.
    #[error("its name leads out of its folder")]
    Parent,
    /// With `\`.
    #[error("its name has a backslash: use forward slashes")]
    Backslash,
    /// With characters that cannot be seen.
    #[error("its name has control characters")]
    Control,
}

/// The plain relative path that an entry's name stands for: without `.` parts and doubled slashes.
pub(super) fn plain(name: &str) -> Result<String, NameError> {
    let drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let refused = [
        (name.len() > NAME_BYTES_MAX, NameError::Long),
        (name.chars().any(is_invisible), NameError::Control),
        (name.starts_with('/') || drive, NameError::Absolute),
        (name.contains('\\'), NameError::Backslash),
        (name.split('/').any(|part| part == ".."), NameError::Parent),
    ];
    if let Some((_, error)) = refused.into_iter().find(|(refused, _)| *refused) {
        return Err(error);
    }
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    let plain = parts.collect::<Vec<_>>().join("/");
    if plain.is_empty() { Err(NameError::Empty) } else { Ok(plain) }
}

/// Control characters, NUL among them, and those that turn the direction of text around.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_become_plain_paths() {
        for (name, expected) in [
            ("a.txt", "a.txt"),
            ("./b/c.txt", "b/c.txt"),
            ("b//c/./d", "b/c/d"),
            ("..a/b..", "..a/b.."),
            ("-rf", "-rf"),
            ("CON", "CON"),
            ("gr\u{fc}n.txt", "gr\u{fc}n.txt"),
        ] {
            assert_eq!(plain(name).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn bad_names_are_refused_with_their_reason() {
        for (name, expected) in [
            ("", NameError::Empty),
            ("./", NameError::Empty),
            ("/etc/passwd", NameError::Absolute),
            ("C:/x", NameError::Absolute),
            ("c:x", NameError::Absolute),
            ("../x", NameError::Parent),
            ("a/../../x", NameError::Parent),
            ("a/..", NameError::Parent),
            ("..\\x", NameError::Backslash),
            ("a\0b", NameError::Control),
            ("a\nb", NameError::Control),
            ("\u{202e}gpj.exe", NameError::Control),
        ] {
            assert_eq!(plain(name), Err(expected), "{name:?}");
        }
        assert_eq!(plain(&"x".repeat(1001)), Err(NameError::Long));
    }
}
