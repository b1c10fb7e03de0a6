//! Who asks a server: the bearer of a token, from the environment or from the token file, which is kept fresh.
//!
//! 1. A token goes to the server that it is from, and to no other.
//! 2. An access token that is about to end is renewed before it is used, and once more if the server does not take
//!    it. Who renews holds the file's lock and reads the file again first: two commands that find the same old token
//!    renew it once.
//! 3. A command that dies between the server's answer and the file leaves the old refresh token: the server gives
//!    the same successor for it once more, for 30 s.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::error::Error;
use super::host::Host;
use super::remote::Remote;
use super::remote_arguments::{CallerArguments, RemoteArguments};
use super::secret::Secret;
use super::token_file::{TokenFile, Tokens};
use crate::base::limits::TOKEN_RENEWED_BEFORE_SECONDS;
use crate::base::{Clock, SystemClock};

/// The server that is asked if none is named.
const USUAL_HOST: &str = "http://127.0.0.1:8090";

/// Where a command's token is.
#[derive(Debug)]
pub(super) enum Place {
    /// In the environment.
    Environment(Secret),
    /// In a file.
    File(TokenFile),
}

impl Place {
    /// The flag first, then `SOLON_TOKEN`, then `SOLON_TOKEN_FILE`, then the usual file.
    pub(super) fn of(token_file: Option<&PathBuf>) -> Result<Self, Error> {
        if let Some(path) = token_file {
            return Ok(Self::File(TokenFile::at(path.clone())));
        }
        let told = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(token) = told("SOLON_TOKEN") {
            let token = token
                .into_string()
                .map_err(|_| Error::Arguments("`SOLON_TOKEN` is no token"))?;
            return Ok(Self::Environment(Secret::new(token.trim().to_owned())));
        }
        Self::file_of(None).map(Self::File)
    }

    /// The file alone, for who writes it.
    pub(super) fn file_of(token_file: Option<&PathBuf>) -> Result<TokenFile, Error> {
        let named = std::env::var_os("SOLON_TOKEN_FILE").filter(|value| !value.is_empty());
        match token_file.cloned().or(named.map(PathBuf::from)) {
            Some(path) => Ok(TokenFile::at(path)),
            None => TokenFile::usual(),
        }
    }
}

/// The server that is named, or the usual one.
pub(super) fn host_or_usual(arguments: &RemoteArguments) -> Result<Host, Error> {
    match &arguments.host {
        Some(host) => Ok(host.clone()),
        None => USUAL_HOST
            .parse()
            .map_err(|_| Error::Arguments("name the server with `--host`")),
    }
}

/// A bearer, and the server that it asks.
#[derive(Debug)]
pub(super) struct Caller {
    remote: Remote,
    clock: SystemClock,
    credential: Credential,
}

#[derive(Debug)]
enum Credential {
    /// The client's certificate, or nothing.
    None,
    Token(Secret),
    File {
        file: TokenFile,
        tokens: Tokens,
    },
}

/// Why an access token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It is about to end.
    Due,
    /// The server did not take it.
    NotTaken,
}

impl Caller {
    /// The bearer that the arguments name.
    pub(super) fn of(arguments: &CallerArguments) -> Result<Self, Error> {
        let CallerArguments {
            remote, token_file, ..
        } = arguments;
        // A file that is named is meant.
        let by_certificate = remote.tls.certificate.is_some() && token_file.is_none();
        match Place::of(token_file.as_ref())? {
            Place::Environment(token) => {
                Self::at(host_or_usual(remote)?, remote, Credential::Token(token))
            }
            Place::File(file) => match file.read()? {
                // Whoever has a certificate for the server that is named needs no token of another.
                Some(tokens) if is_of_another(&tokens, remote) && by_certificate => {
                    Self::at(host_or_usual(remote)?, remote, Credential::None)
                }
                Some(tokens) => {
                    let host = host_of(&file, &tokens, remote)?;
                    Self::at(host, remote, Credential::File { file, tokens })
                }
                None if remote.tls.certificate.is_some() => {
                    Self::at(host_or_usual(remote)?, remote, Credential::None)
                }
                None => Err(Error::SignedOut(
                    "not signed in: `solon login` first".to_owned(),
                )),
            },
        }
    }

    /// The bearer of this token, on the server that the arguments name.
    pub(super) fn with_token(arguments: &RemoteArguments, token: Secret) -> Result<Self, Error> {
        let host = host_or_usual(arguments)?;
        Self::at(host, arguments, Credential::Token(token))
    }

    fn at(host: Host, arguments: &RemoteArguments, credential: Credential) -> Result<Self, Error> {
        Ok(Self {
            remote: Remote::of(host, arguments)?,
            clock: SystemClock::new(),
            credential,
        })
    }

    /// The refresh token, if the bearer has one.
    pub(super) fn refresh_token(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::File { tokens, .. } => tokens.refresh.as_ref(),
            Credential::None | Credential::Token(_) => None,
        }
    }

    /// Posts to a door of the token's database, and gives the answer back.
    pub(super) fn post(&mut self, action: &str, body: &Value) -> Result<Value, Error> {
        let path = format!("/api/db/{action}");
        self.freshen()?;
        match self.remote.post(&path, self.access(), body) {
            Err(why) if why.is_unauthenticated() && self.refresh_token().is_some() => {
                self.renew(Why::NotTaken)?;
                self.remote.post(&path, self.access(), body)
            }
            answered => answered,
        }
    }

    /// The token that is sent.
    pub(super) fn access(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::None => None,
            Credential::Token(token) => Some(token),
            Credential::File { tokens, .. } => Some(&tokens.access),
        }
    }

    /// Renews an access token that is about to end.
    pub(super) fn freshen(&mut self) -> Result<(), Error> {
        match &self.credential {
            Credential::File { tokens, .. } if is_due(tokens, &self.clock) => self.renew(Why::Due),
            Credential::File { .. } | Credential::None | Credential::Token(_) => Ok(()),
        }
    }

    /// Gets new tokens for those that were found in the file, unless another command did so meanwhile.
    fn renew(&mut self, why: Why) -> Result<(), Error> {
        let Credential::File { file, tokens } = &mut self.credential else {
            return Ok(());
        };
        let signed_out = || Error::SignedOut("signed out: `solon login` again".to_owned());
        let lock = file.lock()?;
        let found = file.read()?.ok_or_else(signed_out)?;
        if found.host != tokens.host {
            // Another sign-in took the file, at a server that was not asked for.
            return Err(signed_out());
        }
        // Two access tokens of one sign-in that were made in one second are the same text.
        let may_be_taken = match why {
            Why::Due => true,
            Why::NotTaken => found.access.expose() != tokens.access.expose(),
        };
        if may_be_taken && !is_due(&found, &self.clock) {
            *tokens = found;
            return Ok(());
        }
        let refresh = found.refresh.as_ref().ok_or_else(signed_out)?;
        let answer = self.remote.post(
            "/api/db/refresh",
            None,
            &json!({"refresh_token": refresh.expose()}),
        );
        let answer = answer.map_err(|why| match why {
            why if why.is_unauthenticated() => {
                Error::SignedOut("the sign-in is over: `solon login` again".to_owned())
            }
            why => why,
        })?;
        let renewed = granted(answer, &self.remote, &self.clock)?;
        *tokens = Tokens {
            user: found.user,
            ..renewed
        };
        lock.write(tokens)
    }
}

/// The tokens that a sign-in or a refresh was answered with.
pub(super) fn granted(
    mut answer: Value,
    remote: &Remote,
    clock: &dyn Clock,
) -> Result<Tokens, Error> {
    let access = Secret::take(&mut answer, "token").ok_or(Error::Answer("token"))?;
    let refresh = Secret::take(&mut answer, "refresh_token");
    let refresh = refresh.ok_or(Error::Answer("refresh_token"))?;
    let db = answer.get("db").and_then(Value::as_str).map(str::to_owned);
    let expires_in = answer.get("expires_in").and_then(Value::as_i64);
    Ok(Tokens {
        access,
        refresh: Some(refresh),
        host: Some(remote.host().clone()),
        db,
        user: None,
        expires_at_ms: expires_in
            .map(|seconds| clock.now_ms().saturating_add(seconds.saturating_mul(1_000))),
    })
}

fn is_due(tokens: &Tokens, clock: &dyn Clock) -> bool {
    let before_ms = i64::try_from(TOKEN_RENEWED_BEFORE_SECONDS)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    let ends = tokens.expires_at_ms.filter(|_| tokens.refresh.is_some());
    ends.is_some_and(|ends| clock.now_ms() >= ends.saturating_sub(before_ms))
}

/// Whether the tokens of a file are from another server than the one that is named.
fn is_of_another(tokens: &Tokens, arguments: &RemoteArguments) -> bool {
    matches!((&tokens.host, &arguments.host), (Some(from), Some(named)) if from != named)
}

/// The server that the tokens of a file go to.
fn host_of(file: &TokenFile, tokens: &Tokens, arguments: &RemoteArguments) -> Result<Host, Error> {
    match (&tokens.host, &arguments.host) {
        (Some(from), Some(named)) if is_of_another(tokens, arguments) => {
            Err(Error::SignedOut(format!(
                "not signed in at `{named}`: the token in `{}` is from `{from}`, and goes nowhere else",
                file.path().display()
            )))
        }
        (Some(from), _) => Ok(from.clone()),
        (None, _) => host_or_usual(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    #[test]
    fn an_access_token_is_renewed_from_half_a_minute_before_its_end() {
        let mut tokens = Tokens {
            access: Secret::new("a".to_owned()),
            refresh: Some(Secret::new("r".to_owned())),
            host: None,
            db: None,
            user: None,
            expires_at_ms: Some(100_000),
        };
        for (now_ms, expected) in [(69_999, false), (70_000, true), (200_000, true)] {
            assert_eq!(is_due(&tokens, &ManualClock::at(now_ms)), expected);
        }
        tokens.expires_at_ms = None;
        assert!(!is_due(&tokens, &ManualClock::at(200_000)));
        tokens.expires_at_ms = Some(0);
        tokens.refresh = None;
        assert!(!is_due(&tokens, &ManualClock::at(200_000)));
    }
}
