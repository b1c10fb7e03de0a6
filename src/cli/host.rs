//! The server that the command line asks: a scheme, a host and a port, and nothing else.
//!
//! One server has one spelling, so that the host that a token is from can be compared with the one that it is about
//! to be sent to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    scheme: Scheme,
    /// In lower case; an IPv6 address stands in brackets.
    name: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// How what is sent to a host travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Travel {
    /// Encrypted.
    Encrypted,
    /// In the clear, but it does not leave this machine.
    WithinThisMachine,
    /// In the clear, for everybody on the way to read.
    InTheClear,
}

impl Host {
    /// How what is sent there travels.
    pub(super) fn travel(&self) -> Travel {
        let bare = self.name.trim_start_matches('[').trim_end_matches(']');
        let is_here =
            bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        match self.scheme {
            Scheme::Https => Travel::Encrypted,
            Scheme::Http if is_here => Travel::WithinThisMachine,
            Scheme::Http => Travel::InTheClear,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, name, port } = self;
        match scheme {
            Scheme::Http if *port == 80 => write!(f, "http://{name}"),
            Scheme::Http => write!(f, "http://{name}:{port}"),
            Scheme::Https if *port == 443 => write!(f, "https://{name}"),
            Scheme::Https => write!(f, "https://{name}:{port}"),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            "expected the server's address, such as `https://solon.example` or `http://127.0.0.1:8090`"
                .to_owned()
        })
    }
}

fn parse(text: &str) -> Option<Host> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    // An IPv6 address has colons of its own.
    let (name, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: std::net::Ipv6Addr = address.parse().ok()?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':')?),
            };
            (format!("[{address}]"), port)
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name.to_ascii_lowercase(), Some(port)),
            None => (authority.to_ascii_lowercase(), None),
        },
    };
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-_.[]:".contains(&b);
    if name.is_empty() || !name.bytes().all(is_letter) {
        return None;
    }
    let port = match (port, scheme) {
        (None, Scheme::Http) => 80,
        (None, Scheme::Https) => 443,
        (Some(port), _) if port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port > 0)?
        }
        (Some(_), _) => return None,
    };
    Some(Host { scheme, name, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_spelling() {
        for (text, expected) in [
            ("http://127.0.0.1:8090", Some("http://127.0.0.1:8090")),
            ("HTTP://LocalHost:8090/", Some("http://localhost:8090")),
            ("http://a.example:80", Some("http://a.example")),
            ("https://a.example:443/", Some("https://a.example")),
            ("https://a.example:80", Some("https://a.example:80")),
            ("https://[::0:1]:8443", Some("https://[::1]:8443")),
            ("https://[::1]", Some("https://[::1]")),
            ("localhost:8090", None),
            ("ftp://a.example", None),
            ("https://", None),
            ("https:///", None),
            ("https://user@a.example", None),
            ("https://user:word@a.example", None),
            ("https://a.example/path", None),
            ("https://a.example?x=1", None),
            ("https://a.example#x", None),
            ("https://a.example:", None),
            ("https://a.example:0", None),
            ("https://a.example:+1", None),
            ("https://a.example:65536", None),
            ("https://[::1]8443", None),
            ("https://[a.example]", None),
            ("https://::1", None),
            ("https://a example", None),
            ("https://a\nb", None),
        ] {
            let parsed: Option<Host> = text.parse().ok();
            let told = parsed.as_ref().map(ToString::to_string);
            assert_eq!(told.as_deref(), expected, "{text}");
            if let Some(told) = told {
                assert_eq!(told.parse::<Host>().ok(), parsed, "{told}");
            }
        }
    }

    #[test]
    fn only_this_machine_may_be_asked_in_the_clear() {
        for (text, expected) in [
            ("http://127.0.0.1", Travel::WithinThisMachine),
            ("http://127.1.2.3:8090", Travel::WithinThisMachine),
            ("http://[::1]:8090", Travel::WithinThisMachine),
            ("http://localhost", Travel::WithinThisMachine),
            ("http://localhost.example", Travel::InTheClear),
            ("http://127.0.0.1.example", Travel::InTheClear),
            ("http://10.0.0.1", Travel::InTheClear),
            ("https://10.0.0.1", Travel::Encrypted),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().travel(), expected, "{text}");
        }
    }
}
