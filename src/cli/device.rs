//! `solon auth-token`: tokens for a machine, by a sign-in on another (RFC 8628), or by a password on standard input.
//!
//! What is to be done stands on standard error; standard output has the two tokens, and nothing is kept.

use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::caller::host_or_usual;
use super::error::Error;
use super::login::{SignIn, show_banner};
use super::remote::Remote;
use super::remote_arguments::RemoteArguments;
use super::secret::{Secret, wipe};
use super::shown::plain;
use super::typed;
use crate::base::{Clock, SystemClock};

/// By which name the command line asks.
const CLIENT_ID: &str = "solon-cli";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Between two questions if the server does not say, seconds (RFC 8628, section 3.2).
const USUAL_INTERVAL_SECONDS: u64 = 5;

/// By how much the server's `slow_down` makes it longer, seconds (section 3.5).
const SLOWER_BY_SECONDS: u64 = 5;

#[derive(Debug, Args)]
pub(super) struct AuthTokenArguments {
    #[command(flatten)]
    remote: RemoteArguments,
    /// Refuse to ask without a certificate of this client, which the server then verifies
    #[arg(
        long = "tls.enable-client-verification",
        requires = "certificate",
        requires = "key"
    )]
    tls_enable_client_verification: bool,
    /// The user, for a sign-in with the password on standard input
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    user: Option<String>,
    /// Read the user's password from standard input, one line, and ask for no other device
    #[arg(long, requires = "user")]
    password_stdin: bool,
    /// The database that the tokens are for; `local/default` if it is left out
    #[arg(long, value_name = "NETWORK/NAME")]
    db: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the server told at the beginning.
#[derive(Debug)]
struct Begun {
    device_code: Secret,
    user_code: String,
    uri: String,
    uri_complete: Option<String>,
    expires_in: Duration,
    interval: Duration,
}

/// The tokens, as OAuth has them.
#[derive(Debug)]
struct Granted {
    access: Secret,
    refresh: Option<Secret>,
}

/// Gets tokens, and prints them.
pub(super) fn auth_token(arguments: &AuthTokenArguments) -> Result<(), Error> {
    let remote = Remote::of(host_or_usual(&arguments.remote)?, &arguments.remote)?;
    let granted = match &arguments.user {
        Some(user) => {
            show_banner(&remote)?;
            let password = typed::secret_line()?;
            let sign_in = SignIn {
                user,
                db: arguments.db.as_deref(),
                expires: None,
                password: &password,
            };
            let (tokens, _) = sign_in.ask(&remote)?;
            Granted {
                access: tokens.access,
                refresh: tokens.refresh,
            }
        }
        None => flow(
            arguments.db.as_deref(),
            &mut |path, form| remote.post_form(path, form),
            &mut thread::sleep,
            &SystemClock::new(),
            &mut |begun| {
                let mut err = io::stderr().lock();
                write!(err, "{}", boxed(begun))?;
                Ok(())
            },
        )?,
    };
    print(&granted, arguments.json)
}

fn print(granted: &Granted, json: bool) -> Result<(), Error> {
    let Granted { access, refresh } = granted;
    let mut out = io::stdout().lock();
    if json {
        let mut told = json!({
            "access_token": access.expose(),
            "refresh_token": refresh.as_ref().map(Secret::expose),
            "token_type": "Bearer",
        });
        writeln!(out, "{told}")?;
        wipe(&mut told);
    } else {
        writeln!(out, "\nauth-token: {}", access.expose())?;
        if let Some(refresh) = refresh {
            writeln!(out, "\nrefresh-token: {}", refresh.expose())?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Posts a form to a path.
type Ask<'a> = dyn FnMut(&str, &[(&str, &str)]) -> Result<Value, Error> + 'a;

/// Asks for a code, shows it, and asks until it was entered elsewhere.
fn flow(
    db: Option<&str>,
    ask: &mut Ask<'_>,
    wait: &mut dyn FnMut(Duration),
    clock: &dyn Clock,
    show: &mut dyn FnMut(&Begun) -> Result<(), Error>,
) -> Result<Granted, Error> {
    let mut form = vec![("client_id", CLIENT_ID)];
    form.extend(db.map(|db| ("db", db)));
    let answer = ask("/oauth/device_authorization", &form)?;
    let begun = begin(answer).ok_or(Error::Answer("device_code"))?;
    let ends = clock.elapsed().saturating_add(begun.expires_in);
    show(&begun)?;
    let mut interval = begun.interval;
    loop {
        if clock.elapsed().saturating_add(interval) > ends {
            return Err(too_late());
        }
        wait(interval);
        let answered = ask(
            "/oauth/token",
            &[
                ("grant_type", GRANT),
                ("device_code", begun.device_code.expose()),
                ("client_id", CLIENT_ID),
            ],
        );
        match answered {
            Ok(mut answer) => {
                let access = Secret::take(&mut answer, "access_token")
                    .ok_or(Error::Answer("access_token"))?;
                let refresh = Secret::take(&mut answer, "refresh_token");
                return Ok(Granted { access, refresh });
            }
            // Who is not reached, or asks too often, is to be asked less often (section 3.5).
            Err(Error::Unreached { .. }) => interval = interval.saturating_mul(2),
            Err(Error::Refused(refusal)) => match (refusal.status, refusal.code.as_deref()) {
                (_, Some("authorization_pending")) => {}
                (_, Some("slow_down")) | (429 | 503, _) => {
                    interval = interval.saturating_add(Duration::from_secs(SLOWER_BY_SECONDS));
                }
                (_, Some("expired_token")) => return Err(too_late()),
                (_, Some("access_denied")) => return Err(Error::TurnedDown),
                _ => return Err(Error::Refused(refusal)),
            },
            Err(why) => return Err(why),
        }
    }
}

fn too_late() -> Error {
    Error::SignedOut("the code was not entered in time: ask for another".to_owned())
}

fn begin(mut answer: Value) -> Option<Begun> {
    let device_code = Secret::take(&mut answer, "device_code")?;
    let text = |member: &str| answer.get(member).and_then(Value::as_str).map(plain);
    let seconds = |member: &str| answer.get(member).and_then(Value::as_u64);
    // A server that says 0 would be asked without a pause.
    let interval = seconds("interval").unwrap_or(USUAL_INTERVAL_SECONDS).max(1);
    Some(Begun {
        device_code,
        user_code: text("user_code")?,
        uri: text("verification_uri")?,
        uri_complete: text("verification_uri_complete"),
        expires_in: Duration::from_secs(seconds("expires_in")?),
        interval: Duration::from_secs(interval),
    })
}

/// The box that says what to do.
fn boxed(begun: &Begun) -> String {
    let mut lines = vec![
        String::new(),
        "Please visit:".to_owned(),
        begun.uri.clone(),
        String::new(),
        "And enter the code:".to_owned(),
        begun.user_code.clone(),
        String::new(),
    ];
    if let Some(uri) = &begun.uri_complete {
        lines.extend([
            "Or visit this, where it is entered already:".to_owned(),
            uri.clone(),
            String::new(),
        ]);
    }
    let longest = lines.iter().map(|line| line.chars().count()).max();
    let width = longest.unwrap_or(0).max(45);
    let edge = format!("+-{}-+\n", "-".repeat(width));
    let rows = lines.iter().map(|line| {
        let missing = width.saturating_sub(line.chars().count());
        format!("| {line}{} |\n", " ".repeat(missing))
    });
    let mut text = vec![edge.clone()];
    text.extend(rows);
    text.push(edge);
    text.concat()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::super::error::Refusal;
    use super::*;
    use crate::base::ManualClock;

    fn refused(status: u16, code: &str) -> Result<Value, Error> {
        Err(Error::Refused(Box::new(Refusal {
            status,
            code: Some(code.to_owned()),
            message: code.to_owned(),
            pointer: None,
            retry_after: None,
        })))
    }

    fn unreached() -> Result<Value, Error> {
        Err(Error::Unreached {
            host: "http://127.0.0.1".parse().unwrap(),
            why: "gone".to_owned(),
        })
    }

    /// Runs against these answers; gives back how it ended, and the pauses in seconds.
    fn run(begun: Value, answers: Vec<Result<Value, Error>>) -> (Result<Granted, Error>, Vec<u64>) {
        let clock = Arc::new(ManualClock::at(0));
        let waited = RefCell::new(Vec::new());
        let mut answers = answers.into_iter();
        let mut begun = Some(begun);
        let ended = flow(
            None,
            &mut |path, form| {
                if let Some(begun) = begun.take() {
                    assert_eq!(path, "/oauth/device_authorization");
                    assert_eq!(form, [("client_id", "solon-cli")]);
                    return Ok(begun);
                }
                assert_eq!(path, "/oauth/token");
                assert_eq!(form[1], ("device_code", "dev"));
                answers.next().expect("it is asked no more often")
            },
            &mut |pause| {
                waited.borrow_mut().push(pause.as_secs());
                clock.advance(pause);
            },
            &*clock,
            &mut |_| Ok(()),
        );
        (ended, waited.into_inner())
    }

    fn begun() -> Value {
        json!({"device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": "https://a/device",
               "expires_in": 60, "interval": 5})
    }

    #[test]
    fn it_asks_as_often_as_it_may_until_the_code_was_entered() {
        let answers = vec![
            refused(400, "authorization_pending"),
            refused(400, "slow_down"),
            unreached(),
            Ok(json!({"access_token": "a", "refresh_token": "r"})),
        ];
        let (ended, waited) = run(begun(), answers);
        let Granted { access, refresh } = ended.unwrap();
        assert_eq!(access.expose(), "a");
        assert_eq!(refresh.unwrap().expose(), "r");
        assert_eq!(waited, [5, 5, 10, 20]);
    }

    #[test]
    fn without_an_interval_it_is_five_seconds_and_never_none() {
        let done = || vec![Ok(json!({"access_token": "a"}))];
        for (interval, expected) in [(Value::Null, 5), (json!(0), 1), (json!(7), 7)] {
            let mut begun = begun();
            begun["interval"] = interval;
            let (ended, waited) = run(begun, done());
            assert!(ended.unwrap().refresh.is_none());
            assert_eq!(waited, [expected]);
        }
    }

    #[test]
    fn it_ends_when_it_is_turned_down_or_too_late() {
        use super::super::exit::Exit;
        let pending = || refused(400, "authorization_pending");
        for (answers, expected) in [
            (vec![refused(400, "access_denied")], Exit::Denied),
            (
                vec![pending(), refused(400, "expired_token")],
                Exit::Unauthenticated,
            ),
            ((0..12).map(|_| pending()).collect(), Exit::Unauthenticated),
            (vec![refused(400, "invalid_client")], Exit::Usage),
            (vec![Ok(json!({}))], Exit::Failed),
        ] {
            assert_eq!(run(begun(), answers).0.unwrap_err().exit(), expected);
        }
        for missing in ["device_code", "user_code", "verification_uri", "expires_in"] {
            let mut begun = begun();
            begun.as_object_mut().unwrap().remove(missing);
            assert!(run(begun, Vec::new()).0.is_err(), "{missing}");
        }
    }

    #[test]
    fn the_box_holds_whatever_the_server_says() {
        let mut told = begun();
        assert_eq!(
            boxed(&begin(told.clone()).unwrap()),
            "\
+-----------------------------------------------+
|                                               |
| Please visit:                                 |
| https://a/device                              |
|                                               |
| And enter the code:                           |
| WDJB-MJHT                                     |
|                                               |
+-----------------------------------------------+
"
        );
        told["verification_uri_complete"] = json!(format!("https://a/{}", "x".repeat(60)));
        let text = boxed(&begin(told).unwrap());
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == 74), "{text}");
    }
}
