//! A client of the server's doors: one request, one answer, both bounded.
//!
//! 1. Nothing is sent in the clear beyond this machine, unless that was asked for in so many words.
//! 2. Redirects are not followed: a token goes to the host that was named and to none else.
//! 3. A proxy of the environment is used for `https` alone, where it carries what it cannot read.

use std::time::Duration;

use serde_json::Value;
use ureq::http;
use zeroize::Zeroizing;

use super::client_tls;
use super::error::{Error, Refusal};
use super::host::{Host, Travel};
use super::remote_arguments::RemoteArguments;
use super::secret::Secret;
use super::shown::plain;
use crate::base::limits::{
    CLIENT_ANSWER_BYTES_MAX, CLIENT_CONNECT_SECONDS_MAX, CLIENT_SECONDS_MAX,
};

/// A server that is asked.
#[derive(Debug)]
pub(super) struct Remote {
    host: Host,
    agent: ureq::Agent,
}

/// What a request carries.
enum Body<'a> {
    Nothing,
    Json(&'a Value),
    Form(&'a [(&'a str, &'a str)]),
}

impl Remote {
    /// A client of `host`, as the arguments have it.
    pub(super) fn of(host: Host, arguments: &RemoteArguments) -> Result<Self, Error> {
        let travel = host.travel();
        if travel == Travel::InTheClear && !arguments.insecure_plain_http {
            return Err(Error::PlainHttp(host));
        }
        if arguments.tls.skip_verify {
            Error::warn(
                "`--tls.skip-verify` takes any server for the right one: passwords and tokens may go to a stranger",
            );
        }
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(CLIENT_CONNECT_SECONDS_MAX)))
            .timeout_global(Some(Duration::from_secs(CLIENT_SECONDS_MAX)))
            .user_agent(concat!("solon/", env!("CARGO_PKG_VERSION")))
            .tls_config(client_tls::config(&arguments.tls)?);
        if travel != Travel::Encrypted {
            builder = builder.proxy(None);
        }
        let agent = builder.build().into();
        Ok(Self { host, agent })
    }

    /// The server.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Posts JSON, and gives the answer back.
    pub(super) fn post(
        &self,
        path: &str,
        token: Option<&Secret>,
        body: &Value,
    ) -> Result<Value, Error> {
        self.run("POST", path, token, &Body::Json(body))
    }

    /// Posts a form (RFC 6749 has it so), and gives the answer back.
    pub(super) fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, Error> {
        self.run("POST", path, None, &Body::Form(form))
    }

    /// Gets a document.
    pub(super) fn read(&self, path: &str) -> Result<Value, Error> {
        self.run("GET", path, None, &Body::Nothing)
    }

    fn run(
        &self,
        method: &str,
        path: &str,
        token: Option<&Secret>,
        body: &Body<'_>,
    ) -> Result<Value, Error> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.host))
            .header("accept", "application/json");
        if let Some(token) = token {
            let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
            let mut header = http::HeaderValue::from_str(&bearer)
                .map_err(|_| Error::Arguments("the token is no token"))?;
            header.set_sensitive(true);
            request = request.header("authorization", header);
        }
        let text = match body {
            Body::Nothing => Zeroizing::new(String::new()),
            Body::Json(body) => {
                request = request.header("content-type", "application/json");
                Zeroizing::new(body.to_string())
            }
            Body::Form(form) => {
                request = request.header("content-type", "application/x-www-form-urlencoded");
                Zeroizing::new(form_text(form))
            }
        };
        let sent = match body {
            Body::Nothing => self.agent.run(self.whole(request.body(()))?),
            Body::Json(_) | Body::Form(_) => {
                self.agent.run(self.whole(request.body(text.as_str()))?)
            }
        };
        let mut response = sent.map_err(|why| self.unreached(&why))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|told| told.to_str().ok())
            .and_then(|told| told.parse().ok());
        let answer = response
            .body_mut()
            .with_config()
            .limit(CLIENT_ANSWER_BYTES_MAX)
            .read_to_string()
            .map(Zeroizing::new)
            .map_err(|why| self.unreached(&why))?;
        let answer: Option<Value> = serde_json::from_str(&answer).ok();
        match (status, answer) {
            (200..=299, Some(answer)) => Ok(answer),
            (200..=299, None) => Err(self.no_solon()),
            (300..=399, _) => Err(Error::Redirected(self.host.clone())),
            (_, answer) => Err(Error::Refused(Box::new(refusal(
                status,
                answer,
                retry_after,
            )))),
        }
    }

    fn whole<B>(&self, request: http::Result<http::Request<B>>) -> Result<http::Request<B>, Error> {
        request.map_err(|_| self.no_solon())
    }

    fn no_solon(&self) -> Error {
        Error::Remote {
            host: self.host.clone(),
            why: "it does not answer as Solon does".to_owned(),
        }
    }

    fn unreached(&self, why: &ureq::Error) -> Error {
        let host = self.host.clone();
        let is_trust = match why {
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => true,
            // A handshake that fails arrives as an error of the stream.
            ureq::Error::Io(why) => why
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some(),
            _ => false,
        };
        match why {
            ureq::Error::BodyExceedsLimit(_) => Error::Remote {
                host,
                why: format!("its answer is larger than {CLIENT_ANSWER_BYTES_MAX} bytes"),
            },
            why if is_trust => Error::Remote {
                host,
                why: plain(&why.to_string()),
            },
            ureq::Error::Io(why) => Error::Unreached {
                host,
                why: plain(&why.to_string()),
            },
            why => Error::Unreached {
                host,
                why: plain(&why.to_string()),
            },
        }
    }
}

/// What a refusal says: problem+json (RFC 9457) as our doors have it, or an error as OAuth's doors have it.
fn refusal(status: u16, answer: Option<Value>, retry_after: Option<u64>) -> Refusal {
    let answer = answer.unwrap_or_default();
    let text = |member: &str| answer.get(member).and_then(Value::as_str).map(plain);
    let message = text("message")
        .or_else(|| text("error_description"))
        .or_else(|| text("detail"))
        .or_else(|| text("error"))
        .unwrap_or_else(|| "the server refused it without a word".to_owned());
    Refusal {
        status,
        code: text("error"),
        message,
        pointer: text("pointer"),
        retry_after,
    }
}

/// The text of a form (RFC 1866, section 8.2.1): all but letters, digits and `-._` stands as its bytes.
fn form_text(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        push_encoded(&mut text, name);
        text.push('=');
        push_encoded(&mut text, value);
    }
    text
}

fn push_encoded(text: &mut String, value: &str) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or('0');
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || b"-._".contains(&b) {
            text.push(char::from(b));
        } else {
            text.push('%');
            text.push(digit(b >> 4));
            text.push(digit(b & 15));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_any_text() {
        let form = [("grant_type", "urn:ietf:params:x"), ("a b", "ü&=%")];
        assert_eq!(
            form_text(&form),
            "grant_type=urn%3Aietf%3Aparams%3Ax&a%20b=%C3%BC%26%3D%25"
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_its_door() {
        for (answer, code, message) in [
            (
                serde_json::json!({"error": "db/not-found", "message": "no such auth"}),
                Some("db/not-found"),
                "no such auth",
            ),
            (
                serde_json::json!({"error": "slow_down"}),
                Some("slow_down"),
                "slow_down",
            ),
            (
                serde_json::json!({"error": "x", "error_description": "a\nb\u{1b}[2J"}),
                Some("x"),
                "a\\nb\\u{1b}[2J",
            ),
            (
                serde_json::json!([]),
                None,
                "the server refused it without a word",
            ),
        ] {
            let told = refusal(400, Some(answer), None);
            assert_eq!(told.code.as_deref(), code);
            assert_eq!(told.message, message);
        }
    }
}
