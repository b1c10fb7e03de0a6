//! The command line as a client of a served folder: signing in and out, tokens, users, and two commands at once.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use solon::db::{Folder, NewUser, Options};
use solon::server::Mode;
use solon::token::PasswordCost;

use crate::support::served::{Served, serve_folder};

const PASSWORD: &str = "correct horse battery";

/// The least that argon2 can be.
const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// A served folder, and a home beside it.
struct World {
    served: Served,
    folder: Folder,
    home: tempfile::TempDir,
}

fn options() -> Options {
    Options {
        password_cost: CHEAP,
        ..Options::default()
    }
}

/// With `clerk`, who may read and do all with users and tokens, and `ann`, who has that role and a password.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path(), &options()).unwrap();
    furnish(&folder);
    World {
        served: serve_folder(folder.clone(), Mode::Closed, Some(dir)),
        folder,
        home: tempfile::tempdir().unwrap(),
    }
}

fn furnish(folder: &Folder) {
    let rule = |id: &str, collection: &str| {
        crate::support::rule(id, collection, &["*"], "true", &["all", "token"])
    };
    let items = json!([{"_id": "_role", "id": "clerk", "rules": [
        rule("clerk-user", "_user"), rule("clerk-auth", "_auth"), rule("clerk-token", "_token")
    ]}]);
    folder.database().transact(&items.to_string()).unwrap();
    let ann = NewUser {
        username: "ann",
        password: Some(PASSWORD),
        roles: &["clerk"],
        ..NewUser::default()
    };
    folder.database().add_user(&ann).unwrap();
}

/// What is run until it is not told to come back: who ends all tokens of an auth three times within a second has the
/// next wait for the clock.
fn until_good(mut run: impl FnMut() -> Output) -> Output {
    for _ in 0..1_000 {
        let out = run();
        if out.status.code() != Some(7) {
            return out;
        }
    }
    run()
}

impl World {
    fn host(&self) -> String {
        format!("http://{}", self.served.address)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.home.path(), arguments)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        run(self.command(arguments), input)
    }

    /// Runs what must be done, and gives standard output back.
    fn done(&self, arguments: &[&str], input: &str) -> String {
        expect(&self.run(arguments, input), 0, arguments)
    }

    /// As root, by a token in the environment.
    fn as_root(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .env("SOLON_TOKEN", &self.served.token)
            .env("SOLON_HOST", self.host());
        run(command, input)
    }

    fn root_done(&self, arguments: &[&str], input: &str) -> String {
        expect(&self.as_root(arguments, input), 0, arguments)
    }

    fn login(&self) -> Output {
        let host = self.host();
        self.run(
            &["login", "ann", "--password-stdin", "--host", &host],
            &format!("{PASSWORD}\n"),
        )
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".config/solon/auth-token.json")
    }

    fn kept(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    /// Puts these tokens back.
    fn keep(&self, kept: &Value) {
        fs::write(self.file(), kept.to_string()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Lets the access token look as if its end had come.
    fn age(&self) {
        let mut kept = self.kept();
        kept["expires_at"] = json!("2001-01-01T00:00:00Z");
        self.keep(&kept);
    }

    fn events(&self, kind: &str) -> usize {
        let events = self.folder.database().newest_events(1_000).unwrap();
        let rows = events.iter().map(|it| serde_json::to_value(it).unwrap());
        rows.filter(|row| row.to_string().contains(kind)).count()
    }
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
    command
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments may have gone before it reads.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

fn expect(out: &Output, code: i32, arguments: &[&str]) -> String {
    let (told, error) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "{arguments:?}: {error}");
    told.to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn who_signs_in_is_known_until_they_sign_out() {
    let world = world();
    let out = world.login();
    expect(&out, 0, &["login"]);
    assert!(out.stdout.is_empty());
    let told = text(&out.stderr);
    assert!(told.contains("signed in to local/default"), "{told}");
    let kept = world.kept();
    for member in ["access_token", "refresh_token"] {
        let secret = kept[member].as_str().unwrap();
        assert!(!told.contains(secret) && !secret.is_empty());
    }
    assert_eq!(kept["token_type"], "Bearer");
    assert_eq!(kept["host"], world.host());
    assert_eq!(kept["user"], "ann");
    assert_eq!(kept["db"], "local/default");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&world.file()), 0o600);
        assert_eq!(mode(world.file().parent().unwrap()), 0o700);
    }
    let told: Value = serde_json::from_str(&world.done(&["whoami", "--json"], "")).unwrap();
    assert_eq!(told["username"], "ann");
    let told = world.done(&["whoami"], "");
    assert!(told.lines().any(|line| line == "username\tann"), "{told}");

    world.done(&["logout"], "");
    assert!(!world.file().exists());
    expect(&world.run(&["whoami"], ""), 4, &["whoami"]);
    // It ended at the server, and not in the file alone.
    world.keep(&kept);
    expect(&world.run(&["whoami"], ""), 4, &["whoami"]);
    // What is over need not be ended again.
    world.done(&["logout"], "");
    world.done(&["logout"], "");
    assert!(!world.file().exists());
}

#[test]
fn signing_out_while_the_server_is_away_keeps_the_file_unless_that_is_asked_for() {
    let world = world();
    expect(&world.login(), 0, &["login"]);
    let mut kept = world.kept();
    kept["host"] = json!("http://127.0.0.1:9");
    world.keep(&kept);
    expect(&world.run(&["logout"], ""), 7, &["logout"]);
    assert!(world.file().exists());
    world.done(&["logout", "--local"], "");
    assert!(!world.file().exists());
}

#[test]
fn a_wrong_password_a_user_who_is_not_there_and_one_on_the_command_line() {
    let world = world();
    let host = world.host();
    let wrong = |user: &str| {
        let arguments = ["login", user, "--password-stdin", "--host", &host];
        let out = world.run(&arguments, "not the password\n");
        expect(&out, 4, &arguments);
        assert!(out.stdout.is_empty());
        text(&out.stderr).to_owned()
    };
    assert_eq!(wrong("ann"), wrong("nobody"));
    assert!(!world.file().exists());
    let arguments = ["login", "ann", "--password", PASSWORD, "--host", &host];
    let out = world.run(&arguments, "");
    expect(&out, 0, &arguments);
    assert!(text(&out.stderr).starts_with("WARNING: a password among the arguments"));
    assert!(!text(&out.stderr).contains(PASSWORD));
    // Without a terminal there is nobody to ask.
    for (arguments, input) in [
        (&["login", "ann", "--host", &host][..], ""),
        (&["login", "--password-stdin", "--host", &host], "word\n"),
        (&["login", "ann", "--password-stdin", "--host", &host], ""),
        (
            &["login", "ann", "--password-stdin", "--host", &host],
            "two\nlines\n",
        ),
    ] {
        expect(&world.run(arguments, input), 2, arguments);
    }
}

#[test]
fn many_commands_at_the_end_of_one_access_token_renew_it_once() {
    let world = world();
    expect(&world.login(), 0, &["login"]);
    let first = world.kept();
    world.age();
    let before = world.events("efreshed");
    let children: Vec<_> = (0..6)
        .map(|_| world.command(&["whoami"]).spawn().unwrap())
        .collect();
    for child in children {
        let out = child.wait_with_output().unwrap();
        expect(&out, 0, &["whoami"]);
    }
    assert_eq!(world.events("efreshed"), before + 1);
    let second = world.kept();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    world.done(&["whoami"], "");
    assert_eq!(world.kept(), second);

    // One that died between the server's answer and the file left the old tokens there.
    world.keep(&first);
    world.age();
    world.done(&["whoami"], "");
    assert_eq!(world.kept()["refresh_token"], second["refresh_token"]);
    world.age();
    world.done(&["whoami"], "");
    assert_ne!(world.kept()["refresh_token"], second["refresh_token"]);
    // A token from before that ends the sign-in.
    world.keep(&first);
    world.age();
    let out = world.run(&["whoami"], "");
    expect(&out, 4, &["whoami"]);
    assert!(text(&out.stderr).contains("solon login"));
}

#[test]
fn what_a_machine_gets_is_printed_and_not_kept() {
    let world = world();
    let host = world.host();
    let arguments = [
        "auth-token",
        "--host",
        &host,
        "--user",
        "ann",
        "--password-stdin",
    ];
    let told = world.done(&arguments, &format!("{PASSWORD}\n"));
    let lines: Vec<_> = told.split('\n').collect();
    let [a, access, b, refresh, c] = lines.as_slice() else {
        panic!("{told}");
    };
    assert_eq!((*a, *b, *c), ("", "", ""));
    let access = access.strip_prefix("auth-token: ").unwrap();
    assert!(refresh.starts_with("refresh-token: solonr_"));
    assert!(!world.file().exists());
    let mut command = world.command(&["whoami", "--host", &host]);
    command.env("SOLON_TOKEN", access);
    expect(&run(command, ""), 0, &["whoami"]);
    let out = world.run(&arguments, "wrong password\n");
    expect(&out, 4, &arguments);
    assert!(out.stdout.is_empty());
}

#[test]
fn a_token_is_made_listed_inspected_and_revoked() {
    let world = world();
    let host = world.host();
    expect(&world.login(), 0, &["login"]);
    let out = world.run(
        &["token", "create", "--name", "backup", "--expires", "1w"],
        "",
    );
    let token = expect(&out, 0, &["token", "create"]).trim().to_owned();
    assert!(token.starts_with("solon_"));
    assert!(!text(&out.stderr).contains(&token));
    let listed: Value =
        serde_json::from_str(&world.done(&["token", "list", "--json"], "")).unwrap();
    let of_name = |name: &str| {
        let all = listed.as_array().unwrap();
        all.iter().find(|it| it["name"] == name).cloned().unwrap()
    };
    let id = of_name("backup")["id"].as_str().unwrap().to_owned();
    let rows = world.done(&["token", "list"], "");
    let row = rows.lines().find(|row| row.starts_with(&id)).unwrap();
    assert!(
        row.starts_with(&format!("{id}\tapi\tbackup\tlive\t")),
        "{row}"
    );

    let inspect = ["token", "inspect", "-", "--json"];
    let told: Value = serde_json::from_str(&world.done(&inspect, &token)).unwrap();
    assert_eq!((&told["kind"], &told["id"]), (&json!("api"), &json!(id)));
    assert!(told.get("server").is_none());
    let asked = [&inspect[..], &["--host", &host]].concat();
    let told: Value = serde_json::from_str(&world.done(&asked, &token)).unwrap();
    assert_eq!(told["server"]["username"], "ann");
    assert_eq!(told["server"]["token"]["name"], "backup");

    let out = world.run(&["token", "revoke", &id], "");
    expect(&out, 0, &["token", "revoke"]);
    let out = world.run(&asked, &token);
    expect(&out, 4, &asked);
    assert!(
        text(&out.stdout).contains(&id),
        "what it says is told all the same"
    );
    let out = world.run(&["token", "revoke", "nothing-such"], "");
    expect(&out, 5, &["token", "revoke"]);

    // An access token has no name, and ends by its own text.
    let access = world.done(
        &["token", "create", "--kind", "access", "--expires", "1h"],
        "",
    );
    world.done(&["token", "revoke", "-"], &access);
    let mut command = world.command(&["whoami", "--host", &host]);
    command.env("SOLON_TOKEN", access.trim());
    expect(&run(command, ""), 4, &["whoami"]);
    world.done(&["whoami"], "");
    world.done(&["token", "revoke", "--all"], "");
    expect(&world.run(&["whoami"], ""), 4, &["whoami"]);
}

#[test]
fn users_are_made_let_out_and_let_in_again_over_http() {
    let world = world();
    let host = world.host();
    let made = world.root_done(
        &[
            "user",
            "add",
            "bob",
            "--role",
            "clerk",
            "--email",
            "bob@a.example",
            "--password-stdin",
        ],
        "a long password of bob\n",
    );
    assert_eq!(made.trim().split('\t').count(), 2);
    let again = world.as_root(&["user", "add", "bob", "--no-password"], "");
    expect(&again, 6, &["user", "add"]);
    let list = world.root_done(&["user", "list"], "");
    let row = list.lines().find(|row| row.starts_with("bob\t")).unwrap();
    assert!(row.contains("\tclerk\tfalse\t"), "{row}");

    let home = tempfile::tempdir().unwrap();
    let login = |password: &str| {
        let arguments = ["login", "bob", "--password-stdin", "--host", &host];
        until_good(|| run(command(home.path(), &arguments), &format!("{password}\n")))
    };
    let whoami = || run(command(home.path(), &["whoami"]), "");
    expect(&login("a long password of bob"), 0, &["login"]);

    world.root_done(&["user", "disable", "bob"], "");
    expect(&whoami(), 4, &["whoami"]);
    expect(&login("a long password of bob"), 4, &["login"]);
    world.root_done(&["user", "enable", "bob"], "");
    expect(&login("a long password of bob"), 0, &["login"]);
    world.root_done(&["user", "revoke-tokens", "bob"], "");
    expect(&whoami(), 4, &["whoami"]);
    world.root_done(&["user", "unlock", "bob"], "");

    world.root_done(
        &["user", "passwd", "bob", "--password-stdin"],
        "another long password\n",
    );
    expect(&login("a long password of bob"), 4, &["login"]);
    expect(&login("another long password"), 0, &["login"]);
    // One's own needs the old one, and ends one's tokens.
    let own = |input: &str| {
        run(
            command(home.path(), &["user", "passwd", "--password-stdin"]),
            input,
        )
    };
    expect(
        &own("wrong old password\na third long password\n"),
        4,
        &["passwd"],
    );
    expect(&own("only one line\n"), 2, &["passwd"]);
    expect(&own("another long password\nshort\n"), 2, &["passwd"]);
    expect(
        &own("another long password\na third long password\n"),
        0,
        &["passwd"],
    );
    expect(&whoami(), 4, &["whoami"]);
    expect(&login("a third long password"), 0, &["login"]);
    world.root_done(
        &["user", "passwd", "bob", "--password-stdin", "--keep-tokens"],
        "a fourth long password\n",
    );
    expect(&whoami(), 0, &["whoami"]);
}

#[test]
fn users_get_tokens_and_new_passwords_over_http() {
    let world = world();
    let host = world.host();
    let add = ["user", "add", "bob", "--role", "clerk", "--password-stdin"];
    world.root_done(&add, "a long password of bob\n");
    let home = tempfile::tempdir().unwrap();
    let login = |password: &str| {
        let arguments = ["login", "bob", "--password-stdin", "--host", &host];
        until_good(|| run(command(home.path(), &arguments), &format!("{password}\n")))
    };

    let token = world.root_done(
        &[
            "user",
            "generate-token",
            "bob",
            "--access-token-timeout",
            "1d",
        ],
        "",
    );
    let mut command = world.command(&["whoami", "--host", &host, "--json"]);
    command.env("SOLON_TOKEN", token.trim());
    let told = expect(&run(command, ""), 0, &["whoami"]);
    assert!(told.contains("\"bob\""));

    let reset = world.root_done(&["user", "reset", "bob"], "");
    let body = json!({"resetToken": reset.trim(), "password": "set by a reset token"});
    let reply = world.served.send(
        "POST",
        "/api/new-pw",
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    expect(&login("set by a reset token"), 0, &["login"]);

    for command in [
        "disable",
        "enable",
        "unlock",
        "revoke-tokens",
        "reset",
        "generate-token",
    ] {
        let out = world.as_root(&["user", command, "nobody"], "");
        expect(&out, 5, &[command]);
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn who_may_not_is_told_so_by_the_exit_code() {
    let world = world();
    world.root_done(
        &["user", "add", "eve", "--password-stdin"],
        "a long password of eve\n",
    );
    let host = world.host();
    let arguments = ["login", "eve", "--password-stdin", "--host", &host];
    // She has no role: she signs in, and may do nothing.
    let out = world.run(&arguments, "a long password of eve\n");
    expect(&out, 0, &arguments);
    for arguments in [
        &["user", "list"][..],
        &["user", "add", "eva", "--no-password"],
        &["token", "create", "--name", "n"],
    ] {
        expect(&world.run(arguments, ""), 3, arguments);
    }
    // Ending one's own sign-in needs no role.
    let kept = world.kept();
    world.done(&["logout"], "");
    world.keep(&kept);
    expect(&world.run(&["user", "list"], ""), 4, &["user", "list"]);
}

#[test]
fn the_first_user_is_made_on_a_folder_that_no_server_has_open() {
    let dir = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data_text = data.to_str().unwrap();
    let on = |arguments: &[&str], input: &str| {
        run(
            command(home.path(), &[arguments, &["--data", data_text]].concat()),
            input,
        )
    };
    let add = ["user", "add", "ann", "--password-stdin"];
    let input = format!("{PASSWORD}\n");
    // A folder that is not there is not made by a slip of the pen.
    expect(&on(&add, &input), 5, &add);
    assert!(!data.exists());
    let folder = Folder::open(&data, &options()).unwrap();
    expect(&on(&add, &input), 7, &add);
    folder.close();
    drop(folder);

    expect(&on(&add, &input), 0, &add);
    expect(&on(&add, &input), 6, &add);
    let list = expect(&on(&["user", "list"], ""), 0, &["list"]);
    assert!(list.starts_with("ann\t"), "{list}");
    expect(&on(&["user", "disable", "ann"], ""), 0, &["disable"]);
    let list = expect(&on(&["user", "list"], ""), 0, &["list"]);
    assert!(list.contains("\ttrue\t"), "{list}");
    expect(&on(&["user", "enable", "ann"], ""), 0, &["enable"]);
    let passwd = ["user", "passwd", "ann", "--password-stdin"];
    expect(&on(&passwd, "another long password\n"), 0, &passwd);
    expect(
        &on(&["user", "passwd", "--password-stdin"], "x\n"),
        2,
        &passwd,
    );
    let token = expect(
        &on(&["user", "generate-token", "ann"], ""),
        0,
        &["generate-token"],
    );
    let reset = expect(&on(&["user", "reset", "ann"], ""), 0, &["reset"]);
    assert!(token.starts_with("solon_") && reset.starts_with("solonp_"));
    expect(&on(&["user", "unlock", "ann"], ""), 0, &["unlock"]);
    expect(&on(&["user", "list", "--db", "no/such"], ""), 5, &["list"]);

    fs::write(
        home.path().join("people.jsonl"),
        "{\"username\": \"bob\", \"password\": \"a long password of bob\"}\n\
         {\"username\": \"cy\", \"roles\": [\"no-such-role\"]}\n",
    )
    .unwrap();
    let import = ["user", "import", "people.jsonl"];
    let out = on(&import, "");
    assert_ne!(out.status.code(), Some(0));
    let told = text(&out.stderr);
    assert!(
        told.contains("line 2") && told.contains("1 users before it"),
        "{told}"
    );
    expect(
        &on(
            &["user", "import", "-", "--json"],
            "{\"username\": \"dee\"}\n",
        ),
        0,
        &import,
    );

    // All of it stands when a server has the folder.
    let folder = Folder::open(&data, &options()).unwrap();
    let served = serve_folder(folder, Mode::Closed, None);
    let host = format!("http://{}", served.address);
    let login = |user: &str, password: &str| {
        let arguments = ["login", user, "--password-stdin", "--host", &host];
        until_good(|| run(command(home.path(), &arguments), &format!("{password}\n")))
    };
    expect(&login("bob", "a long password of bob"), 0, &["login"]);
    expect(&login("ann", PASSWORD), 4, &["login"]);
    expect(&login("ann", "another long password"), 0, &["login"]);
    let mut command = command(home.path(), &["whoami", "--host", &host]);
    command.env("SOLON_TOKEN", token.trim());
    // It is good, and its bearer has no role.
    expect(&run(command, ""), 3, &["whoami"]);
}

#[test]
fn whoever_signs_in_reads_the_banner_first() {
    let world = world();
    let banner = json!([{"_id": ["_setting/id", "root"], "banner": "Only for friends\u{1b}[2J"}]);
    world
        .folder
        .database()
        .transact(&banner.to_string())
        .unwrap();
    let told = world.login();
    let told = text(&told.stderr);
    assert!(told.starts_with("Only for friends\\u{1b}[2J\n"), "{told}");
}

#[test]
fn the_trail_is_read_from_a_server_too() {
    let world = world();
    assert!(world.login().status.success());
    // Whoever has no op `logs` at `_log` reads of themselves alone; `all` does not reach it.
    let own = world.done(&["logs", "--json"], "");
    let own: Vec<Value> = serde_json::from_str(&own).unwrap();
    assert_eq!(own[0]["event"], "sign-in");
    let auth = own[0]["auth"].clone();
    assert!(own.iter().all(|row| row["auth"] == auth), "{own:?}");
    let all = world.root_done(&["logs", "--json", "--limit", "1000"], "");
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    assert!(all.iter().any(|row| row["auth"] != auth), "{all:?}");
    let line = world.root_done(&["logs", "--limit", "1", "--status", "ok"], "");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn so_much_of_standard_input_is_a_password_and_no_more() {
    let world = world();
    let host = world.host();
    let max = solon::base::limits::PASSWORD_INPUT_BYTES_MAX;
    let login = ["login", "ann", "--password-stdin", "--host", &host];
    // It is longer than a password can be, and so a wrong one.
    let edge = format!("{}\n", "x".repeat(max - 1));
    expect(&world.run(&login, &edge), 4, &login);
    expect(&world.run(&login, &format!("x{edge}")), 2, &login);
}
