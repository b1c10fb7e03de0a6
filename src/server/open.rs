//! When a request without a token acts as root, in open mode.
//!
//! Only what a person at this machine sends by hand or by a local program: the peer is loopback, and nothing says
//! that a proxy or another site's page stands behind it. A page elsewhere can make a browser send requests to
//! this machine, and can point a name of its own at 127.0.0.1; so `Host`, `Origin` and `Sec-Fetch-Site` are
//! looked at, and what is unclear is refused.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version};

use super::door::Scheme;

/// Headers that proxies add, beside `X-Forwarded-*`.
const FORWARDING: [&str; 7] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-original-host",
    "true-client-ip",
    "cf-connecting-ip",
];

/// Whether an address is this machine's own.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether the request may act as root without a token.
///
/// Some proxies forward in HTTP/1.0 and add no header by themselves, so that version is refused.
pub(super) fn acts_as_root(
    peer: SocketAddr,
    scheme: Scheme,
    version: Version,
    target: &Uri,
    headers: &HeaderMap,
) -> bool {
    let Some(host) = only_host(version, target, headers) else {
        return false;
    };
    is_loopback(peer.ip())
        && version >= Version::HTTP_11
        && is_loopback_name(&host)
        && target.authority().is_none_or(is_loopback_name)
        && is_same_site(headers, scheme, &host)
        && !is_forwarded(headers)
}

/// Whether nothing says that a page of another site sent the request, whatever this server is called and whether a
/// proxy speaks TLS for it.
pub(super) fn is_same_origin(version: Version, target: &Uri, headers: &HeaderMap) -> bool {
    only_host(version, target, headers).is_some_and(|host| {
        is_same_site(headers, Scheme::Https, &host) || is_same_site(headers, Scheme::Http, &host)
    })
}

/// The name by which the client calls this server, if it says exactly one.
pub(super) fn only_host(version: Version, target: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        // HTTP/2 says it in the target.
        return target
            .authority()
            .filter(|_| version == Version::HTTP_2)
            .cloned();
    };
    if hosts.next().is_some() {
        return None;
    }
    Authority::try_from(host.as_bytes()).ok()
}

fn is_loopback_name(host: &Authority) -> bool {
    let name = host.host();
    let is_name = name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]";
    // A user part would make `localhost@elsewhere` of it.
    is_name && !host.as_str().contains('@')
}

/// Whether nothing says that a page of another site sent the request.
fn is_same_site(headers: &HeaderMap, scheme: Scheme, host: &Authority) -> bool {
    let own = format!("{}://{host}", scheme.name());
    let mut origins = headers.get_all(ORIGIN).iter();
    let mut sites = headers.get_all("sec-fetch-site").iter();
    origins.all(|origin| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
        && sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || FORWARDING.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn check(peer: &str, target: &str, sent: &[(&str, &str)], expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let peer = peer.parse().unwrap();
        let target = target.parse().unwrap();
        let acts = |scheme, version| acts_as_root(peer, scheme, version, &target, &headers);
        let told = format!("{peer} {target} {sent:?}");
        assert_eq!(acts(Scheme::Http, Version::HTTP_11), expected, "{told}");
        assert!(!acts(Scheme::Http, Version::HTTP_10));
    }

    #[test]
    fn over_http2_the_target_says_the_host_and_over_tls_a_page_s_origin_is_https() {
        let peer = "127.0.0.1:1".parse().unwrap();
        let acts = |target: &str, version, sent: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                let value = HeaderValue::from_str(value).unwrap();
                headers.append(HeaderName::try_from(*name).unwrap(), value);
            }
            let target = target.parse().unwrap();
            acts_as_root(peer, Scheme::Https, version, &target, &headers)
        };
        let own = "https://localhost:8090/api/db/query";
        for (target, version, sent, expected) in [
            (own, Version::HTTP_2, vec![], true),
            (own, Version::HTTP_11, vec![], false),
            (own, Version::HTTP_2, vec![("host", "evil.example")], false),
            (
                own,
                Version::HTTP_2,
                vec![("origin", "https://localhost:8090")],
                true,
            ),
            (
                own,
                Version::HTTP_2,
                vec![("origin", "http://localhost:8090")],
                false,
            ),
            ("https://evil.example/", Version::HTTP_2, vec![], false),
            (
                "https://evil.example/",
                Version::HTTP_2,
                vec![("host", "localhost")],
                false,
            ),
            ("/", Version::HTTP_2, vec![], false),
        ] {
            assert_eq!(
                acts(target, version, &sent),
                expected,
                "{target} {version:?} {sent:?}"
            );
        }
    }

    #[test]
    fn only_a_plain_request_from_this_machine_to_this_machine_is_root() {
        let host = ("host", "localhost:8090");
        for (peer, expected) in [
            ("127.0.0.1:4000", true),
            ("127.9.9.9:4000", true),
            ("[::1]:4000", true),
            ("[::ffff:127.0.0.1]:4000", true),
            ("10.0.0.1:4000", false),
            ("[::ffff:10.0.0.1]:4000", false),
            ("0.0.0.0:4000", false),
        ] {
            check(peer, "/api/db/query", &[host], expected);
        }
    }

    #[test]
    fn the_host_is_a_loopback_name() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("127.0.0.1:8090", true),
            ("[::1]:8090", true),
            ("[::1]", true),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost@evil.example", false),
            ("evil@localhost", false),
            ("10.0.0.1:8090", false),
            ("", false),
        ] {
            check("127.0.0.1:1", "/", &[("host", host)], expected);
        }
        check("127.0.0.1:1", "/", &[], false);
        let twice = [("host", "localhost"), ("host", "localhost")];
        check("127.0.0.1:1", "/", &twice, false);
        let host = [("host", "localhost")];
        check("127.0.0.1:1", "http://localhost/", &host, true);
        check("127.0.0.1:1", "http://evil.example/", &host, false);
    }

    #[test]
    fn what_a_page_or_a_proxy_may_have_sent_is_not_root() {
        let host = ("host", "localhost:8090");
        for (header, expected) in [
            (("origin", "http://localhost:8090"), true),
            (("origin", "http://localhost:3000"), false),
            (("origin", "https://localhost:8090"), false),
            (("origin", "https://evil.example"), false),
            (("origin", "null"), false),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "none"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
            (("forwarded", "for=10.0.0.1"), false),
            (("x-forwarded-for", "127.0.0.1"), false),
            (("x-forwarded-host", "localhost"), false),
            (("x-forwarded-proto", "https"), false),
            (("x-real-ip", "127.0.0.1"), false),
            (("via", "1.1 proxy"), false),
            (("user-agent", "curl"), true),
        ] {
            check("127.0.0.1:1", "/api/db/query", &[host, header], expected);
        }
    }
}
