//! E-mail addresses as people type them, and the length of passwords.
//!
//! Only ASCII: an address that looks like another one must not be a second account.

use crate::AccountsError;

/// Bytes of an address.
const EMAIL_MAX: usize = 254;
/// Bytes before the `@`.
const LOCAL_MAX: usize = 64;

/// An address in its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email {
    /// As it was typed, without the white space around it.
    pub(crate) shown: String,
    /// What makes it unique: lower case.
    pub(crate) key: String,
}

impl Email {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AccountsError> {
        let shown = text.trim();
        let (local, host) = shown.split_once('@').ok_or(AccountsError::EmailInvalid)?;
        let good = shown.len() <= EMAIL_MAX
            && (1..=LOCAL_MAX).contains(&local.len())
            && local.bytes().all(|b| b.is_ascii_graphic() && !b"@\"(),:;<>[\\]".contains(&b))
            && host.split('.').all(is_label);
        if !good {
            return Err(AccountsError::EmailInvalid);
        }
        Ok(Self { shown: shown.to_owned(), key: shown.to_ascii_lowercase() })
    }
}

/// One part of a host name.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Refuses a password that is too short to be one or too long to be typed.
pub(crate) fn check_password(password: &str) -> Result<(), AccountsError> {
    if (8..=256).contains(&password.len()) { Ok(()) } else { Err(AccountsError::PasswordLength) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_around_do_not_make_another_address() {
        let email = Email::parse("  Ada.Lovelace+x@Example.ORG\n").unwrap();
        assert_eq!(email.shown, "Ada.Lovelace+x@Example.ORG");
        assert_eq!(email.key, "ada.lovelace+x@example.org");
        assert_eq!(Email::parse("a@localhost").unwrap().key, "a@localhost");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long = format!("a@{}.org", "b".repeat(300));
        let local = format!("{}@b.org", "a".repeat(65));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b..c",
            "a@.b",
            "a@-b",
            "a@b c",
            "a\r\nBcc: x@b",
            "a@b\r\nBcc: x",
            "a\0@b",
            "\u{430}@b.org",
            "a@b.org\u{202e}",
            &long,
            &local,
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_has_8_to_256_bytes() {
        assert!(check_password("1234567").is_err());
        assert!(check_password("12345678").is_ok());
        assert!(check_password(&"x".repeat(256)).is_ok());
        assert!(check_password(&"x".repeat(257)).is_err());
    }
}
