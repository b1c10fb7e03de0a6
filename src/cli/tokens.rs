//! `solon token create`, `list` and `revoke`: the tokens of a database, over HTTP.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::caller::Caller;
use super::error::Error;
use super::inspect::token_or_input;
use super::remote_arguments::CallerArguments;
use super::seconds::seconds;
use super::secret::wipe;
use super::shown::{Form, cell, facts, rows, show};

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// What the token is called; an API token must be called something
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The auth that bears it: a subject's id, or an `_auth/id`; one's own if it is left out
    #[arg(long, value_name = "AUTH")]
    auth: Option<String>,
    /// How long it is good; the server says if it is left out
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    /// An API token, or an access token
    #[arg(long, value_name = "KIND", default_value = "api")]
    kind: Kind,
    #[command(flatten)]
    caller: CallerArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Api,
    Access,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Those of this auth alone: a subject's id, or an `_auth/id`
    #[arg(long, value_name = "AUTH")]
    auth: Option<String>,
    /// How many at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
    /// Those that follow the one with this id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[command(flatten)]
    caller: CallerArguments,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArguments {
    /// The id of the token, or the token itself; `-` reads it from standard input
    #[arg(
        value_name = "ID",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    token: Option<String>,
    /// All of one's own, this one too; or all of an auth or a user
    #[arg(long)]
    all: bool,
    /// With `--all`: those of this auth, a subject's id or an `_auth/id`
    #[arg(long, value_name = "AUTH", requires = "all", conflicts_with = "user")]
    auth: Option<String>,
    /// With `--all`: those of every auth of this user
    #[arg(long, value_name = "USER", requires = "all")]
    user: Option<String>,
    #[command(flatten)]
    caller: CallerArguments,
}

/// A token that is asked for.
pub(super) struct Wanted<'a> {
    /// What an API token is called; `None` asks for an access token.
    pub(super) name: Option<&'a str>,
    /// Who is to bear it.
    pub(super) auth: Value,
    /// How long it is good.
    pub(super) expires: Option<u64>,
}

/// An auth as a request names it: digits are a subject's id, all else is an `_auth/id`.
pub(super) fn auth_named(text: &str) -> Value {
    identity_named("_auth/id", text)
}

/// What a request names by this unique predicate: digits are a subject's id.
pub(super) fn identity_named(predicate: &str, text: &str) -> Value {
    let is_id = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(id) if is_id => json!(id),
        _ => json!([predicate, text]),
    }
}

/// Makes a token, and prints it.
pub(super) fn create(arguments: &CreateArguments) -> Result<(), Error> {
    let CreateArguments {
        name,
        auth,
        expires,
        kind,
        caller: caller_arguments,
    } = arguments;
    let name = match (kind, name) {
        (Kind::Api, None) => {
            return Err(Error::Arguments(
                "an API token must be called something: `--name`",
            ));
        }
        (Kind::Api, name) => name.as_deref(),
        (Kind::Access, None) => None,
        (Kind::Access, Some(_)) => {
            return Err(Error::Arguments("an access token has no `--name`"));
        }
    };
    let mut asked = Asked::Server(Box::new(Caller::of(caller_arguments)?));
    let auth = match auth {
        Some(auth) => auth_named(auth),
        None => asked.own_auth()?,
    };
    let wanted = Wanted {
        name,
        auth,
        expires: *expires,
    };
    mint(&mut asked, wanted, caller_arguments.json)
}

/// Asks for a token, and prints it: it is shown this once.
pub(super) fn mint(asked: &mut Asked, wanted: Wanted<'_>, json: bool) -> Result<(), Error> {
    let mut body = Map::new();
    body.insert("auth".to_owned(), wanted.auth);
    if let Some(name) = wanted.name {
        body.insert("kind".to_owned(), json!("api"));
        body.insert("name".to_owned(), json!(name));
    }
    if let Some(seconds) = wanted.expires {
        body.insert("expireSeconds".to_owned(), json!(seconds));
    }
    let mut answer = asked.post("token", &Value::Object(body))?;
    let shown = show(Form::of(json), &answer, |out| {
        let token = answer.get("token").and_then(Value::as_str);
        writeln!(out, "{}", token.unwrap_or_default())?;
        let mut err = io::stderr().lock();
        let of = |member: &str| cell(answer.get(member));
        let facts_of = [
            ("id", of("id")),
            ("auth", of("auth")),
            ("seconds", of("expires_in")),
        ];
        facts(&mut err, Form::Table, &facts_of)?;
        writeln!(err, "the token is shown this once, and kept nowhere")
    });
    wipe(&mut answer);
    shown
}

/// Lists tokens.
pub(super) fn list(arguments: &ListArguments) -> Result<(), Error> {
    let ListArguments {
        auth,
        limit,
        after,
        caller,
    } = arguments;
    let mut body = Map::new();
    if let Some(auth) = auth {
        body.insert("auth".to_owned(), auth_named(auth));
    }
    if let Some(limit) = limit {
        body.insert("limit".to_owned(), json!(limit));
    }
    if let Some(after) = after {
        body.insert("after".to_owned(), json!(after));
    }
    let answer = Caller::of(caller)?.post("tokens", &Value::Object(body))?;
    list_rows(
        &answer,
        caller.json,
        &[
            ("id", "id"),
            ("kind", "kind"),
            ("name", "name"),
            ("state", "state"),
            ("auth", "auth"),
            ("issued", "issued"),
            ("expires", "expires"),
            ("lastUsed", "last used"),
            ("lastAddress", "from"),
        ],
    )
}

/// Shows an answer that is an array, by these members and headlines.
fn list_rows(answer: &Value, json: bool, columns: &[(&str, &str)]) -> Result<(), Error> {
    let form = Form::of(json);
    show(form, answer, |out| {
        let row = |item: &Value| {
            let cells = columns.iter().map(|(member, _)| cell(item.get(member)));
            cells.collect::<Vec<_>>()
        };
        let table: Vec<_> = answer.as_array().into_iter().flatten().map(row).collect();
        let headlines: Vec<_> = columns.iter().map(|(_, headline)| *headline).collect();
        rows(out, form, &headlines, &table)
    })
}

/// Revokes one token, or all of somebody's.
pub(super) fn revoke(arguments: &RevokeArguments) -> Result<(), Error> {
    let RevokeArguments {
        token,
        auth,
        user,
        caller,
        ..
    } = arguments;
    let token = token.as_deref().map(token_or_input).transpose()?;
    let body = match (&token, auth, user) {
        (Some(token), _, _) => json!({"token": token.expose()}),
        (None, Some(auth), _) => json!({"all": true, "auth": auth_named(auth)}),
        (None, None, Some(user)) => json!({"all": true, "user": user}),
        (None, None, None) => json!({"all": true}),
    };
    let mut asked = Asked::Server(Box::new(Caller::of(caller)?));
    revoke_with(&mut asked, body, caller.json)
}

/// Posts what is to be revoked, and tells what came of it.
pub(super) fn revoke_with(asked: &mut Asked, mut body: Value, json: bool) -> Result<(), Error> {
    let answered = asked.post("revoke", &body);
    wipe(&mut body);
    let answer = answered?;
    show(Form::of(json), &answer, |_| {
        let revoked = cell(answer.get("revoked"));
        writeln!(io::stderr().lock(), "revoked: {revoked}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_name_a_subject_and_all_else_an_auths_id() {
        for (text, expected) in [
            ("87960930222080", json!(87_960_930_222_080_i64)),
            ("ann", json!(["_auth/id", "ann"])),
            ("", json!(["_auth/id", ""])),
            ("-1", json!(["_auth/id", "-1"])),
            (
                "99999999999999999999",
                json!(["_auth/id", "99999999999999999999"]),
            ),
        ] {
            assert_eq!(auth_named(text), expected);
        }
    }
}
