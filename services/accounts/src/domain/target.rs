//! Where deliveries may go. Addresses that only this house can reach are refused, whatever name
//! leads to them, so that nobody uses its deliveries to look around in its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use reqwest::header::HeaderValue;

/// Characters of an address.
const URL_CHARS_MAX: usize = 2_048;

/// Why nothing is delivered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetRefused {
    /// Not an address.
    #[error("this is not an address; it begins with https:// and has at most 2,048 characters")]
    Malformed,
    /// Everybody on the way could read it.
    #[error("deliveries go to https:// addresses only")]
    Insecure,
    /// A name and password in the address would be in the log files of both sides.
    #[error("an address must not have a name and password in it; deliveries are signed instead")]
    Password,
    /// It leads into somebody's own network.
    #[error("this address is not a public one; use an address that everybody can reach")]
    Private,
}

/// Reads an address that deliveries may go to. With `private` everything goes: for a house on the
/// consumer's own machine.
pub(crate) fn target(text: &str, private: bool) -> Result<Url, TargetRefused> {
    if text.len() > URL_CHARS_MAX {
        return Err(TargetRefused::Malformed);
    }
    let url = Url::parse(text).map_err(|_| TargetRefused::Malformed)?;
    let secure = url.scheme() == "https" || (private && url.scheme() == "http");
    if !secure {
        return Err(TargetRefused::Insecure);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetRefused::Password);
    }
    let host = url.host_str().ok_or(TargetRefused::Malformed)?;
    if HeaderValue::from_str(host).is_err() {
        return Err(TargetRefused::Malformed);
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if !private && !is_public(address) => Err(TargetRefused::Private),
        _ => Ok(url),
    }
}

/// Whether everybody can reach this address, and nobody reaches anything else by it.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// By the registry of special-purpose addresses of IPv4.
const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// By the registry of IPv6: only global unicast, without what leads on to IPv4 or is for examples.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let translated = (a, b) == (0x0064, 0xff9b);
    let special =
        matches!((a, b), (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0..=0x0fff));
    (a & 0xe000) == 0x2000 && !special && !translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_everybody_can_reach_are_public() {
        for text in ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_is_refused_for_what_is_wrong_with_it() {
        let refused = |text: &str| target(text, false).unwrap_err();
        assert_eq!(refused("hello"), TargetRefused::Malformed);
        assert_eq!(
            refused(&format!("https://a.example/{}", "x".repeat(2_048))),
            TargetRefused::Malformed
        );
        assert_eq!(refused("http://a.example/"), TargetRefused::Insecure);
        assert_eq!(refused("file:///etc/passwd"), TargetRefused::Insecure);
        assert_eq!(refused("https://a:b@a.example/"), TargetRefused::Password);
        // However the number is written.
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:10.0.0.1]"] {
            assert_eq!(refused(&format!("https://{host}/")), TargetRefused::Private, "{host}");
        }
        assert!(target("https://a.example/hook?x=1", false).is_ok());
        assert!(target("http://127.0.0.1:9/", true).is_ok());
    }
}
