//! `solon login`, `logout` and `whoami`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::caller::{Caller, Place, granted, host_or_usual};
use super::error::Error;
use super::remote::Remote;
use super::remote_arguments::{CallerArguments, RemoteArguments};
use super::seconds::seconds;
use super::secret::{Secret, wipe};
use super::shown::{Form, cell, facts, plain, show};
use super::token_file::Tokens;
use super::typed;
use crate::base::SystemClock;

#[derive(Debug, Args)]
pub(super) struct LoginArguments {
    /// The user; asked for if it is left out
    #[arg(value_name = "USER")]
    user: Option<String>,
    /// The database; `local/default` if it is left out
    #[arg(long, value_name = "NETWORK/NAME")]
    db: Option<String>,
    #[command(flatten)]
    password: PasswordArguments,
    /// How long each access token is good; the server says if it is left out
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    #[command(flatten)]
    remote: RemoteArguments,
    /// The file that the tokens are kept in; `SOLON_TOKEN_FILE`, or else `solon/auth-token.json` in the folder of
    /// configurations
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where a password comes from, if no terminal is asked.
#[derive(Debug, Args)]
pub(super) struct PasswordArguments {
    /// Read the password from standard input, one line
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// The password; others on this machine can see it while the command runs
    #[arg(long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct LogoutArguments {
    #[command(flatten)]
    caller: CallerArguments,
    /// Take the file away without telling the server, where the sign-in then lives on until its end
    #[arg(long)]
    local: bool,
}

impl PasswordArguments {
    /// The password.
    pub(super) fn read(&self, prompt: &str) -> Result<Secret, Error> {
        if self.password_stdin {
            return typed::secret_line();
        }
        match &self.password {
            Some(password) => {
                Error::warn(
                    "a password among the arguments can be seen by others on this machine: `--password-stdin` hides it",
                );
                Ok(Secret::new(password.clone()))
            }
            None => typed::ask_secret(prompt),
        }
    }
}

/// A sign-in as it is asked for.
pub(super) struct SignIn<'a> {
    pub(super) user: &'a str,
    pub(super) db: Option<&'a str>,
    pub(super) expires: Option<u64>,
    pub(super) password: &'a Secret,
}

impl SignIn<'_> {
    /// Signs in, and gives the tokens back.
    pub(super) fn ask(&self, remote: &Remote) -> Result<(Tokens, Value), Error> {
        let mut body = json!({"user": self.user, "password": self.password.expose()});
        if let Value::Object(members) = &mut body {
            if let Some(db) = self.db {
                members.insert("db".to_owned(), json!(db));
            }
            if let Some(seconds) = self.expires {
                members.insert("expireSeconds".to_owned(), json!(seconds));
            }
        }
        let answer = remote.post("/api/db/signin", None, &body);
        wipe(&mut body);
        let answer = answer?;
        let mut told = json!({});
        if let Value::Object(members) = &mut told {
            for member in ["auth", "user", "db", "expires_in", "refresh_expires_in"] {
                if let Some(value) = answer.get(member) {
                    members.insert(member.to_owned(), value.clone());
                }
            }
        }
        let tokens = granted(answer, remote, &SystemClock::new())?;
        let user = Some(self.user.to_owned());
        Ok((Tokens { user, ..tokens }, told))
    }
}

/// Signs in, and keeps the tokens in the token file.
pub(super) fn login(arguments: &LoginArguments) -> Result<(), Error> {
    let LoginArguments {
        user,
        db,
        password,
        expires,
        remote,
        token_file,
        json,
    } = arguments;
    let file = Place::file_of(token_file.as_ref())?;
    let remote = Remote::of(host_or_usual(remote)?, remote)?;
    // A file that would be refused is told of before anybody types a password.
    file.read()?;
    show_banner(&remote)?;
    let user = match user {
        Some(user) => user.clone(),
        None if typed::is_there_anybody() => typed::ask("User: ")?,
        None => return Err(Error::Arguments("name the user who signs in")),
    };
    let password = password.read(&format!("Password of {user}: "))?;
    let sign_in = SignIn {
        user: &user,
        db: db.as_deref(),
        expires: *expires,
        password: &password,
    };
    let (tokens, told) = sign_in.ask(&remote)?;
    file.lock()?.write(&tokens)?;
    if std::env::var_os("SOLON_TOKEN").is_some_and(|it| !it.is_empty()) {
        Error::warn("`SOLON_TOKEN` is set, and goes before the token file");
    }
    show(Form::of(*json), &told, |_| {
        let db = cell(told.get("db"));
        let (user, host) = (plain(&user), remote.host());
        let path = file.path().display();
        // Nothing was asked for but that it be done.
        writeln!(
            io::stderr().lock(),
            "signed in to {db} at {host} as {user}; the tokens stand in `{path}`"
        )
    })
}

/// Shows what whoever signs in is to read first.
pub(super) fn show_banner(remote: &Remote) -> Result<(), Error> {
    let answer = match remote.read("/api/db/signin") {
        Ok(answer) => answer,
        // Without a banner there is nothing to read first.
        Err(Error::Refused(_)) => return Ok(()),
        Err(why) => return Err(why),
    };
    if let Some(banner) = answer.get("banner").and_then(Value::as_str) {
        let mut err = io::stderr().lock();
        for line in banner.lines() {
            writeln!(err, "{}", plain(line))?;
        }
    }
    Ok(())
}

/// Ends the sign-in at the server, and takes the token file away.
pub(super) fn logout(arguments: &LogoutArguments) -> Result<(), Error> {
    let LogoutArguments { caller, local } = arguments;
    let file = match Place::of(caller.token_file.as_ref())? {
        Place::File(file) => file,
        Place::Environment(_) => {
            return Err(Error::Arguments(
                "the token is in `SOLON_TOKEN`, and no file holds it: `solon token revoke` ends it",
            ));
        }
    };
    if !*local && file.read()?.is_some() {
        let ended = end(&mut Caller::of(caller)?);
        match ended {
            // What is over already need not be ended.
            Ok(_) | Err(Error::SignedOut(_)) => {}
            Err(why) if why.is_unauthenticated() => {}
            Err(why) => return Err(why),
        }
    }
    file.lock()?.remove()?;
    let told = json!({"signed_in": false});
    show(Form::of(caller.json), &told, |_| {
        writeln!(io::stderr().lock(), "signed out")
    })
}

fn end(caller: &mut Caller) -> Result<Value, Error> {
    // Renewed first, so that the token that is revoked is the one that stands.
    caller.freshen()?;
    let token = caller.refresh_token().or(caller.access()).cloned();
    let Some(token) = token else {
        return Ok(Value::Null);
    };
    let mut body = json!({"token": token.expose()});
    let ended = caller.post("revoke", &body);
    wipe(&mut body);
    ended
}

/// Tells who the token's bearer is.
pub(super) fn whoami(arguments: &CallerArguments) -> Result<(), Error> {
    let answer = Caller::of(arguments)?.post("whoami", &json!({}))?;
    let form = Form::of(arguments.json);
    show(form, &answer, |out| {
        let of = |member: &str| cell(answer.get(member));
        let token = |member: &str| cell(answer.get("token").and_then(|it| it.get(member)));
        facts(
            out,
            form,
            &[
                ("username", of("username")),
                ("user", of("user")),
                ("auth", of("auth")),
                ("id", of("id")),
                ("roles", of("roles")),
                ("db", of("db")),
                ("token", token("id")),
                ("kind", token("kind")),
                ("name", token("name")),
                ("expires", token("expires")),
            ],
        )
    })
}
