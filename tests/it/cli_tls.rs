//! The command line as a client over TLS: each of its flags has its effect alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;
use solon::db::Folder;
use solon::server::{Config, Mode, TlsFiles};

use crate::support::served::{Served, config, folder, serve_config};
use crate::support::tls::{Authority, set_mode};

/// A server that speaks TLS, and the file of the authority that vouches for it.
struct Secure {
    served: Served,
    folder: Folder,
    authority: Authority,
    authorities: PathBuf,
    dir: tempfile::TempDir,
}

impl Secure {
    fn new(files: impl Fn(&Authority, &Path) -> TlsFiles) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        // Its clients' authority is its own.
        let authorities = authority
            .write_verifying(dir.path())
            .client_authorities
            .unwrap();
        let folder = folder(&dir.path().join("data"));
        let config = Config {
            tls: Some(files(&authority, dir.path())),
            ..config(Mode::Closed)
        };
        Self {
            served: serve_config(folder.clone(), &config, None),
            folder,
            authority,
            authorities,
            dir,
        }
    }

    /// Asks who the bearer of the root token is.
    fn whoami(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env("SOLON_TOKEN", &self.served.token);
        command.output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let host = format!("https://localhost:{}", self.served.address.port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_solon"));
        command
            .arg("whoami")
            .args(arguments)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("SOLON_HOST", host)
            .current_dir(self.dir.path());
        command
    }

    fn check(&self, arguments: &[&str], code: i32, told: &str) {
        let out = self.whoami(arguments);
        let error = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
        assert_eq!(out.stdout.is_empty(), code != 0);
    }
}

#[test]
fn a_server_is_known_by_the_authority_that_is_named() {
    let secure = Secure::new(Authority::write);
    let authorities = secure.authorities.to_str().unwrap();
    secure.check(&["--tls.ca-certificate", authorities], 0, "");
    // This machine does not know it.
    secure.check(&[], 1, "cannot ask");
    // Nor does another authority vouch for it.
    let other = tempfile::tempdir().unwrap();
    let files = Authority::new().write_verifying(other.path());
    let stranger = files.client_authorities.unwrap();
    let stranger = stranger.to_str().unwrap();
    secure.check(&["--tls.ca-certificate", stranger], 1, "cannot ask");
    // A certificate for another name is none for this one.
    let by_number = format!("https://127.0.0.1:{}", secure.served.address.port());
    secure.check(
        &["--tls.ca-certificate", authorities, "--host", &by_number],
        1,
        "cannot ask",
    );
}

#[test]
fn skipping_the_check_works_alone_and_is_warned_of() {
    let secure = Secure::new(Authority::write);
    secure.check(&["--tls.skip-verify"], 0, "WARNING: `--tls.skip-verify`");
    let authorities = secure.authorities.to_str().unwrap();
    let both = ["--tls.skip-verify", "--tls.ca-certificate", authorities];
    secure.check(&both, 2, "cannot be used with");
}

#[test]
fn a_client_shows_its_certificate_and_needs_no_token() {
    let secure = Secure::new(Authority::write_verifying);
    let authorities = secure.authorities.to_str().unwrap().to_owned();
    let ca = ["--tls.ca-certificate", &authorities];
    // Whether the refusal or the end of the connection is seen first is up to the system.
    let out = secure.whoami(&ca);
    assert!(matches!(out.status.code(), Some(1 | 7)) && out.stdout.is_empty());
    let name = "uri:spiffe://prod.example/robot";
    let reads = crate::support::rule("reads", "_role", &["*"], "true", &["query"]);
    let role = json!({"_id": "_role", "id": "reader", "rules": [reads]});
    let auth = json!([{"_id": "_auth", "id": "robot", "roles": [role], "certificate": [name]}]);
    secure
        .folder
        .database()
        .transact(&auth.to_string())
        .unwrap();
    let [certificate, key] = secure
        .authority
        .client(&[name], 2999)
        .write(secure.dir.path());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let shown = [
        ca[0],
        ca[1],
        "--tls.certificate",
        certificate,
        "--tls.key",
        key,
    ];
    let out = secure.command(&shown).output().unwrap();
    let told = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0), "{:?}", out.stderr);
    assert!(told.lines().any(|line| line == "id\trobot"), "{told}");
    // A token is who asks, whatever the certificate.
    let out = secure.whoami(&shown);
    assert!(!String::from_utf8(out.stdout).unwrap().contains("robot"));
    // A token of another server is none here, unless its file is named.
    let elsewhere = secure.dir.path().join("elsewhere.json");
    let text = json!({"access_token": "x", "host": "https://elsewhere.example"});
    std::fs::write(&elsewhere, text.to_string()).unwrap();
    set_mode(&elsewhere, 0o600);
    let mut command = secure.command(&shown);
    let out = command
        .env("SOLON_TOKEN_FILE", &elsewhere)
        .output()
        .unwrap();
    assert!(String::from_utf8(out.stdout).unwrap().contains("robot"));
    let named = ["--token-file", elsewhere.to_str().unwrap()];
    let out = secure
        .command(&[&shown[..], &named].concat())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(4));

    // The key of another, and one that others can read, are refused by name.
    let other = tempfile::tempdir().unwrap();
    let [_, other_key] = secure.authority.client(&[name], 2999).write(other.path());
    let other_key = other_key.to_str().unwrap();
    let with = |key| {
        [
            ca[0],
            ca[1],
            "--tls.certificate",
            certificate,
            "--tls.key",
            key,
        ]
    };
    secure.check(&with(other_key), 2, "is not the key of the certificate");
    set_mode(Path::new(certificate), 0o600);
    secure.check(&with(certificate), 2, "holds no private key");
    #[cfg(unix)]
    {
        set_mode(Path::new(key), 0o604);
        secure.check(&with(key), 2, "chmod 600");
    }
}
