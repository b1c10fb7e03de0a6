//! `solon token inspect`: what a token says of itself, and what the server says of it.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::Error;
use super::remote_arguments::RemoteArguments;
use super::secret::Secret;
use super::shown::{Form, cell, facts, show};
use super::typed;
use crate::token::{Told, told};

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// The token; `-` reads it from standard input, where others on this machine do not see it
    #[arg(value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    remote: RemoteArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The token that is named, or the one on standard input.
pub(super) fn token_or_input(argument: &str) -> Result<Secret, Error> {
    if argument == "-" {
        return typed::secret_line();
    }
    Ok(Secret::new(argument.to_owned()))
}

/// Tells what a token says; with a host, what that server says of it.
pub(super) fn inspect(arguments: &InspectArguments) -> Result<(), Error> {
    let InspectArguments {
        token,
        remote,
        json,
    } = arguments;
    let secret = token_or_input(token)?;
    if token != "-" {
        Error::warn(
            "a token among the arguments can be seen by others on this machine: `-` reads it from standard input",
        );
    }
    let read = told(secret.expose()).ok_or(Error::Arguments("that is no token of Solon's"))?;
    let is_bearers = matches!(read, Told::Access { .. } | Told::Api { .. });
    let mut answer = as_json(&read);
    let mut refused = None;
    if remote.host.is_some() && is_bearers {
        let record = Caller::with_token(remote, secret)?.post("whoami", &json!({}));
        match record {
            Ok(record) => insert(&mut answer, "server", record),
            // What the token says is told all the same.
            Err(why @ Error::Refused(_)) => refused = Some(why),
            Err(why) => return Err(why),
        }
    }
    let form = Form::of(*json);
    show(form, &answer, |out| {
        let rows = flat(&answer);
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        facts(out, form, &rows)?;
        let mut err = io::stderr().lock();
        writeln!(
            err,
            "this is what the token says, and nothing of it was verified here"
        )?;
        if remote.host.is_some() && !is_bearers {
            writeln!(
                err,
                "the server is asked nothing with such a token: look for its id in `solon token list`"
            )?;
        }
        Ok(())
    })?;
    refused.map_or(Ok(()), Err)
}

fn insert(answer: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = answer {
        members.insert(name.to_owned(), value);
    }
}

fn as_json(read: &Told) -> Value {
    match read {
        Told::Access { header, claims } => {
            // A part that is no JSON is shown as the text that it is.
            let part = |text: &String| serde_json::from_str(text).unwrap_or(json!(text));
            let (header, claims): (Value, Value) = (part(header), part(claims));
            let mut answer = json!({"kind": "access", "verified": false});
            for (claim, name) in [("iat", "issued"), ("exp", "expires")] {
                let seconds = claims.get(claim).and_then(Value::as_i64);
                let moment = seconds.and_then(|it| jiff::Timestamp::from_second(it).ok());
                if let Some(moment) = moment {
                    insert(&mut answer, name, json!(moment.to_string()));
                }
            }
            insert(&mut answer, "header", header);
            insert(&mut answer, "claims", claims);
            answer
        }
        Told::Api { incarnation, id } => json!({
            "kind": "api", "verified": false, "id": id.as_str(),
            "incarnation": incarnation.to_string(),
        }),
        Told::Refresh {
            incarnation,
            family,
            generation,
        } => json!({
            "kind": "refresh", "verified": false, "id": family.as_str(),
            "generation": generation, "incarnation": incarnation.to_string(),
        }),
        Told::Reset { incarnation, auth } => json!({
            "kind": "reset", "verified": false, "auth": auth.raw(),
            "incarnation": incarnation.to_string(),
        }),
    }
}

/// A row for each member, and for each member of a member.
fn flat(answer: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for (name, value) in answer.as_object().into_iter().flatten() {
        match value {
            Value::Object(members) => rows.extend(members.iter().map(|(inner, value)| {
                (
                    cell(Some(&json!(format!("{name}.{inner}")))),
                    cell(Some(value)),
                )
            })),
            value => rows.push((name.clone(), cell(Some(value)))),
        }
    }
    rows
}
