//! What a client certificate proves: names, each with one spelling.
//!
//! Shape: `sha256:` and 64 lower-case hexadecimal digits of the whole certificate (its DER); `uri:` or `dns:` and a
//! subject alternative name of that kind.
//!
//! 1. A URI is compared byte for byte, a DNS name in lower case.
//! 2. A DNS name with a wildcard is a name of many machines and proves none of them: it is no name here.
//! 3. The subject and its common name are no names: authorities have used them for too many things.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::hex;
use crate::base::limits::CERTIFICATE_NAME_BYTES_MAX;

const SHA256: &str = "sha256:";
const URI: &str = "uri:";
const DNS: &str = "dns:";

/// The longest name of DNS, characters.
const DNS_BYTES_MAX: usize = 253;
/// The longest part of one.
const LABEL_BYTES_MAX: usize = 63;

/// A name that a client certificate proves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateName(Arc<str>);

impl CertificateName {
    /// The name that a text spells, if it spells one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = if let Some(digits) = text.strip_prefix(SHA256) {
            hex::decode::<32>(digits).is_some()
        } else if let Some(uri) = text.strip_prefix(URI) {
            is_uri(uri)
        } else if let Some(name) = text.strip_prefix(DNS) {
            is_dns(name)
        } else {
            false
        };
        is_name.then(|| Self(Arc::from(text)))
    }

    /// The name that every certificate has: the hash of its DER.
    pub fn of_der(der: &[u8]) -> Self {
        let digits = hex::encode(&Sha256::digest(der));
        Self(Arc::from(format!("{SHA256}{}", &*digits)))
    }

    /// A URI of the certificate, if it can be a name.
    pub fn of_uri(uri: &str) -> Option<Self> {
        Self::parse(&format!("{URI}{uri}"))
    }

    /// A DNS name of the certificate, if it can be a name.
    pub fn of_dns(name: &str) -> Option<Self> {
        Self::parse(&format!("{DNS}{}", name.to_ascii_lowercase()))
    }

    /// Its one spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A scheme, a colon, and visible characters.
fn is_uri(text: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic();
    text.len() <= CERTIFICATE_NAME_BYTES_MAX
        && text.bytes().all(is_visible)
        && text.split_once(':').is_some_and(|(scheme, rest)| {
            let mut letters = scheme.bytes();
            letters.next().is_some_and(|b| b.is_ascii_alphabetic())
                && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.is_empty()
        })
}

fn is_dns(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    name.len() <= DNS_BYTES_MAX
        && name.split('.').all(|label| {
            (1..=LABEL_BYTES_MAX).contains(&label.len())
                && label.bytes().all(is_letter)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        let hash = format!("sha256:{}", "0a".repeat(32));
        let longest = format!("uri:a:{}", "b".repeat(CERTIFICATE_NAME_BYTES_MAX - 2));
        for text in [
            hash.as_str(),
            longest.as_str(),
            "uri:spiffe://prod.example/billing/api",
            "uri:urn:a",
            "dns:robot.example",
            "dns:robot",
            "dns:_a.b-c.example",
        ] {
            let name = CertificateName::parse(text);
            assert_eq!(name.as_ref().map(CertificateName::as_str), Some(text));
        }
        for text in [
            "",
            "sha256:",
            "robot.example",
            &hash.to_uppercase(),
            &hash.replace("0a", "0A"),
            hash.strip_suffix('a').unwrap(),
            &format!("{hash}0"),
            &format!("{longest}b"),
            "uri:",
            "uri:nothing",
            "uri::a",
            "uri:a:",
            "uri:1a:b",
            "uri:a:b c",
            "uri:a:é",
            "URI:a:b",
            "dns:",
            "dns:*.example",
            "dns:Robot.example",
            "dns:robot.example.",
            "dns:a..b",
            "dns:-a.b",
            "dns:a-.b",
            &format!("dns:{}", "a".repeat(64)),
            &format!("dns:{}", ["a".repeat(63).as_str(); 4].join(".")),
            "email:a@b",
        ] {
            assert_eq!(CertificateName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_s_dns_name_counts_in_lower_case_and_no_wildcard_does() {
        let of = |name| CertificateName::of_dns(name).map(|it| it.to_string());
        assert_eq!(of("Robot.Example"), Some("dns:robot.example".to_owned()));
        assert_eq!(of("*.example"), None);
    }
}
