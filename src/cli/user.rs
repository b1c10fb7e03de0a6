//! `solon user`: the people of a database, on a server with a token, or on a folder that no server has open.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::asked::{Asked, AskedArguments, Opened};
use super::error::Error;
use super::seconds::seconds;
use super::secret::{Secret, wipe};
use super::shown::{Form, cell, plain, rows, show};
use super::tokens::{Wanted, identity_named, mint, revoke_with};
use super::typed;
use crate::base::limits::USERS_FILE_BYTES_MAX;
use crate::db::Folder;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user, with an auth to sign in as
    Add(AddArguments),
    /// List the users that one may see
    List(ListArguments),
    /// Set a password, one's own if no user is named
    Passwd(PasswdArguments),
    /// Let a user in no more, by any auth
    Disable(NamedArguments),
    /// Let a user in again
    Enable(NamedArguments),
    /// Forget a user's failed sign-ins
    Unlock(NamedArguments),
    /// End all tokens of a user
    RevokeTokens(NamedArguments),
    /// Print an API token, for a user or for oneself
    GenerateToken(GenerateArguments),
    /// Print a token that sets a user's password once
    Reset(NamedArguments),
    /// Make the users of a file, with passwords or with the records of another program
    Import(ImportArguments),
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The name that the user signs in by
    #[arg(value_name = "NAME")]
    name: String,
    /// A role: a subject's id, or a `_role/id`; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The address for mail
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Read the password from standard input, one line
    #[arg(long)]
    password_stdin: bool,
    /// Give no password now: `solon user reset` lets the user set one
    #[arg(long, conflicts_with = "password_stdin")]
    no_password: bool,
    #[command(flatten)]
    asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(super) struct PasswdArguments {
    /// The user; oneself if it is left out
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Read from standard input: the new password, one line; for oneself the old one first, on a line of its own
    #[arg(long)]
    password_stdin: bool,
    /// Leave the user's tokens good
    #[arg(long)]
    keep_tokens: bool,
    #[command(flatten)]
    asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(super) struct NamedArguments {
    /// The user
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// The user; oneself if it is left out
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// What the token is called
    #[arg(long = "name", value_name = "TEXT", default_value = "generated")]
    called: String,
    /// How long it is good
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = seconds)]
    access_token_timeout: u64,
    #[command(flatten)]
    asked: AskedArguments,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// JSON lines, each `{"username", "password" or "record", "roles", "email", "doc"}`; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A data folder that no server has open
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The database
    #[arg(long, value_name = "NETWORK/NAME", default_value = Folder::DEFAULT)]
    db: String,
    /// The `_auth/id` of who makes them, by whose rules each is judged; root if it is left out
    #[arg(long = "as", value_name = "AUTH")]
    r#as: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs a command on users.
pub(super) fn user(command: &UserCommand) -> Result<(), Error> {
    match command {
        UserCommand::Add(arguments) => add(arguments),
        UserCommand::List(arguments) => list(arguments),
        UserCommand::Passwd(arguments) => passwd(arguments),
        UserCommand::Disable(arguments) => disable(arguments, true),
        UserCommand::Enable(arguments) => disable(arguments, false),
        UserCommand::Unlock(arguments) => unlock(arguments),
        UserCommand::RevokeTokens(NamedArguments { name, asked }) => {
            let body = json!({"all": true, "user": name});
            revoke_with(&mut Asked::of(asked)?, body, asked.caller.json)
        }
        UserCommand::GenerateToken(arguments) => generate(arguments),
        UserCommand::Reset(arguments) => reset(arguments),
        UserCommand::Import(arguments) => import(arguments),
    }
}

fn add(arguments: &AddArguments) -> Result<(), Error> {
    let AddArguments {
        name,
        roles,
        email,
        password_stdin,
        no_password,
        asked,
    } = arguments;
    let mut answers = Asked::of(asked)?;
    let password = if *password_stdin {
        Some(typed::secret_line()?)
    } else if *no_password {
        None
    } else {
        Some(typed::ask_new_secret(&format!("New password of {name}: "))?)
    };
    let mut body = Map::new();
    body.insert("username".to_owned(), json!(name));
    if let Some(password) = &password {
        body.insert("password".to_owned(), json!(password.expose()));
    }
    if !roles.is_empty() {
        let roles = roles.iter().map(|role| identity_named("_role/id", role));
        body.insert("roles".to_owned(), roles.collect());
    }
    if let Some(email) = email {
        body.insert("email".to_owned(), json!(email));
    }
    let answer = post_wiped(&mut answers, "new-user", Value::Object(body))?;
    show(Form::of(asked.caller.json), &answer, |out| {
        let of = |member: &str| cell(answer.get(member));
        writeln!(out, "{}\t{}", of("user"), of("auth"))?;
        let name = plain(name);
        writeln!(
            io::stderr().lock(),
            "made the user {name}; above are the ids of the user and of its auth"
        )
    })
}

fn list(ListArguments { asked }: &ListArguments) -> Result<(), Error> {
    let answer = Asked::of(asked)?.post("users", &json!({}))?;
    let form = Form::of(asked.caller.json);
    show(form, &answer, |out| {
        let users = answer.as_array().into_iter().flatten();
        let table: Vec<_> = users.flat_map(rows_of).collect();
        let headlines = [
            "username",
            "user",
            "auth",
            "id",
            "roles",
            "disabled",
            "locked out",
        ];
        rows(out, form, &headlines, &table)
    })
}

/// A row for each auth of a user; one for a user without.
fn rows_of(user: &Value) -> Vec<Vec<String>> {
    let of = |member: &str| cell(user.get(member));
    let row = |auth: Option<&Value>| {
        let auth = |member: &str| cell(auth.and_then(|auth| auth.get(member)));
        vec![
            of("username"),
            of("user"),
            auth("auth"),
            auth("id"),
            auth("roles"),
            auth("disabled"),
            of("lockedOut"),
        ]
    };
    match user.get("auths").and_then(Value::as_array) {
        Some(auths) if !auths.is_empty() => auths.iter().map(|auth| row(Some(auth))).collect(),
        _ => vec![row(None)],
    }
}

fn passwd(arguments: &PasswdArguments) -> Result<(), Error> {
    let PasswdArguments {
        name,
        password_stdin,
        keep_tokens,
        asked,
    } = arguments;
    let mut answers = Asked::of(asked)?;
    if matches!(answers, Asked::Folder(_)) && name.is_none() {
        return Err(Error::Arguments("on a folder, name the user who is meant"));
    }
    let (old, new) = passwords(name.as_deref(), *password_stdin)?;
    let mut body = Map::new();
    if let Some(name) = name {
        body.insert("user".to_owned(), json!(name));
    }
    if let Some(old) = &old {
        body.insert("oldPassword".to_owned(), json!(old.expose()));
    }
    body.insert("password".to_owned(), json!(new.expose()));
    body.insert("keepTokens".to_owned(), json!(keep_tokens));
    let answer = post_wiped(&mut answers, "password", Value::Object(body))?;
    show(Form::of(asked.caller.json), &answer, |_| {
        let ended = match (keep_tokens, name) {
            (true, _) => "",
            (false, None) => "; your tokens ended: `solon login` again",
            (false, Some(_)) => "; the user's tokens ended",
        };
        writeln!(io::stderr().lock(), "the password is set{ended}")
    })
}

/// The old password, which one's own needs, and the new one.
fn passwords(name: Option<&str>, from_input: bool) -> Result<(Option<Secret>, Secret), Error> {
    match (name, from_input) {
        (Some(_), true) => Ok((None, typed::secret_line()?)),
        (None, true) => {
            let mut lines = typed::secret_lines(2)?.into_iter();
            match (lines.next(), lines.next()) {
                (old @ Some(_), Some(new)) => Ok((old, new)),
                _ => Err(Error::Arguments("standard input must be two lines")),
            }
        }
        (Some(name), false) => {
            let prompt = format!("New password of {name}: ");
            Ok((None, typed::ask_new_secret(&prompt)?))
        }
        (None, false) => {
            let old = typed::ask_secret("Old password: ")?;
            Ok((Some(old), typed::ask_new_secret("New password: ")?))
        }
    }
}

/// Sets whether each auth of a user is disabled, in one transaction.
fn disable(arguments: &NamedArguments, is_disabled: bool) -> Result<(), Error> {
    let NamedArguments { name, asked } = arguments;
    let mut answers = Asked::of(asked)?;
    let auths = auths_of(&mut answers, name)?;
    let items: Vec<_> = auths
        .iter()
        .map(|auth| json!({"_id": auth, "disabled": is_disabled}))
        .collect();
    let answer = answers.post("transact", &Value::Array(items))?;
    show(Form::of(asked.caller.json), &answer, |_| {
        let done = if is_disabled { "disabled" } else { "enabled" };
        writeln!(io::stderr().lock(), "{done} the user {}", plain(name))
    })
}

/// The auths of a user that one may see, by rising id.
fn auths_of(answers: &mut Asked, name: &str) -> Result<Vec<i64>, Error> {
    let query = json!({"selectOne": ["_user/auth"], "from": ["_user/username", name]});
    let answer = answers.post("query", &query)?;
    let refs = answer.get("_user/auth").or(answer.get("auth"));
    let id_of = |it: &Value| {
        it.as_i64()
            .or_else(|| it.get("_id").and_then(Value::as_i64))
    };
    let mut auths: Vec<i64> = match refs {
        Some(Value::Array(refs)) => refs.iter().filter_map(id_of).collect(),
        Some(one) => id_of(one).into_iter().collect(),
        None => Vec::new(),
    };
    auths.sort_unstable();
    if auths.is_empty() {
        // Hidden and absent read the same.
        return Err(Error::NoSuchUser(plain(name)));
    }
    Ok(auths)
}

fn unlock(NamedArguments { name, asked }: &NamedArguments) -> Result<(), Error> {
    let answer = Asked::of(asked)?.post("unlock", &json!({"user": name}))?;
    show(Form::of(asked.caller.json), &answer, |_| {
        writeln!(io::stderr().lock(), "unlocked the user {}", plain(name))
    })
}

fn generate(arguments: &GenerateArguments) -> Result<(), Error> {
    let GenerateArguments {
        name,
        called,
        access_token_timeout,
        asked,
    } = arguments;
    let mut answers = Asked::of(asked)?;
    let auth = match name {
        Some(name) => json!(auths_of(&mut answers, name)?.first()),
        None => answers.own_auth()?,
    };
    let wanted = Wanted {
        name: Some(called),
        auth,
        expires: Some(*access_token_timeout),
    };
    mint(&mut answers, wanted, asked.caller.json)
}

fn reset(NamedArguments { name, asked }: &NamedArguments) -> Result<(), Error> {
    let mut answer = Asked::of(asked)?.post("reset-token", &json!({"user": name}))?;
    let shown = show(Form::of(asked.caller.json), &answer, |out| {
        let token = answer.get("resetToken").and_then(Value::as_str);
        writeln!(out, "{}", token.unwrap_or_default())?;
        let seconds = cell(answer.get("expires_in"));
        writeln!(
            io::stderr().lock(),
            "good for {seconds} s and once, at `/api/new-pw`"
        )
    });
    wipe(&mut answer);
    shown
}

fn import(arguments: &ImportArguments) -> Result<(), Error> {
    let ImportArguments {
        file,
        data,
        db,
        r#as,
        json,
    } = arguments;
    let unread = |why| Error::Unread {
        path: file.clone(),
        why,
    };
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(unread)?)
    };
    let max = u64::try_from(USERS_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(String::new());
    input
        .take(max.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(unread)?;
    if text.len() > USERS_FILE_BYTES_MAX {
        return Err(Error::WrongFile {
            path: file.clone(),
            what: format!("has more than {USERS_FILE_BYTES_MAX} bytes: import it in parts"),
        });
    }
    let opened = Opened::of(data, db)?;
    let made = match r#as {
        Some(auth) => opened.database().import_users_as(auth.as_str(), &text),
        None => opened.database().import_users(&text),
    };
    let made = made.map_err(|stopped| Error::Users {
        path: file.clone(),
        stopped: Box::new(stopped),
    })?;
    show(Form::of(*json), &json!({"users": made}), |out| {
        writeln!(out, "made {made} users")
    })
}

fn post_wiped(answers: &mut Asked, action: &str, mut body: Value) -> Result<Value, Error> {
    let answered = answers.post(action, &body);
    wipe(&mut body);
    answered
}
