//! Where a witness is, and by which key its signatures are known.

use std::str::FromStr;

use medusa_tlog::{CosignerKey, NoteError};
use reqwest::Url;

/// Written `<address>=<verifier key>`, like
/// `https://witness.example/=witness.example/w1+1b2c3d4e+BA…`.
#[derive(Clone, Debug)]
pub(crate) struct WitnessAddress {
    /// Where to send checkpoints.
    pub(crate) url: Url,
    /// Whose signatures come back.
    pub(crate) key: CosignerKey,
}

/// Why an address was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// There is no `=`.
    #[error("write a witness as <address>=<verifier key>; `medusa-server witness` prints its key")]
    Shape,
    /// The address is none.
    #[error("the address of a witness begins with http:// or https://")]
    Url,
    /// The key is none.
    #[error("the key of the witness: {0}")]
    Key(#[from] NoteError),
}

impl FromStr for WitnessAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (url, key) = text.split_once('=').ok_or(AddressError::Shape)?;
        let key = key.parse()?;
        let mut url = Url::parse(url).map_err(|_| AddressError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() {
            return Err(AddressError::Url);
        }
        let mut path = url.path_segments_mut().map_err(|()| AddressError::Url)?;
        path.pop_if_empty().push("add-checkpoint");
        drop(path);
        Ok(Self { url, key })
    }
}

#[cfg(test)]
mod tests {
    use medusa_tlog::Cosigner;

    use super::*;

    #[test]
    fn an_address_has_a_place_and_a_key() {
        let key = Cosigner::new("witness.test/w1", &[1; 32]).key();
        for (url, to) in [
            ("http://127.0.0.1:7800", "http://127.0.0.1:7800/add-checkpoint"),
            ("https://w.test/", "https://w.test/add-checkpoint"),
            ("https://w.test/a/b/", "https://w.test/a/b/add-checkpoint"),
        ] {
            let read: WitnessAddress = format!("{url}={key}").parse().unwrap();
            assert_eq!((read.url.as_str(), &read.key), (to, &key));
        }
        let refused = |text: &str| text.parse::<WitnessAddress>().unwrap_err();
        assert_eq!(refused("https://w.test"), AddressError::Shape);
        assert_eq!(refused("https://w.test=w1"), AddressError::Key(NoteError::Key));
        for url in ["w.test", "ftp://w.test", "https://", "mailto:w", "https://w.test?a"] {
            assert_eq!(refused(&format!("{url}={key}")), AddressError::Url, "{url}");
        }
    }
}
