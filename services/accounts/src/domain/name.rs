//! Names of people and machines: short, and made of characters that can be seen.

use crate::AccountsError;

/// Characters of a person's name.
const PERSON_MAX: usize = 100;
/// Characters of a machine's name.
const MACHINE_MAX: usize = 60;

/// What to call a person; may be empty.
pub(crate) fn person_name(text: &str) -> Result<String, AccountsError> {
    let refused = "a name has at most 100 characters, all of them visible";
    visible(text, PERSON_MAX).ok_or(AccountsError::NameInvalid(refused))
}

/// What to call a machine.
pub(crate) fn machine_name(text: &str) -> Result<String, AccountsError> {
    let refused = "the name of a machine has 1 to 60 characters, all of them visible";
    let name = visible(text, MACHINE_MAX).filter(|name| !name.is_empty());
    name.ok_or(AccountsError::NameInvalid(refused))
}

fn visible(text: &str, chars_max: usize) -> Option<String> {
    let name = text.trim();
    let good = name.chars().count() <= chars_max && !name.chars().any(is_hidden);
    good.then(|| name.to_owned())
}

/// Control characters, and marks that turn the direction of the text around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_visible() {
        assert_eq!(person_name(" Zo\u{eb} ").unwrap(), "Zo\u{eb}");
        assert_eq!(person_name("  ").unwrap(), "");
        assert!(machine_name("  ").is_err());
        assert!(machine_name(&"x".repeat(61)).is_err());
        assert!(machine_name(&"\u{eb}".repeat(60)).is_ok());
        for bad in ["a\nb", "a\u{1b}[31m", "a\u{202e}b", "a\0"] {
            assert!(machine_name(bad).is_err(), "{bad:?}");
            assert!(person_name(bad).is_err(), "{bad:?}");
        }
    }
}
