//! The token file: the tokens of one sign-in, and where they are from.
//!
//! Shape: JSON, `{"access_token", "refresh_token", "token_type": "Bearer", "host", "db", "user", "expires_at"}`, the
//! last an instant of this machine's clock. A file that holds one token and no JSON serves for reading too.
//!
//! 1. It is its owner's alone (0600, in a folder that others cannot write), a file by itself (no symlink, no second
//!    name), and is refused if it is not.
//! 2. Who changes it holds the lock, which is a file beside it that stays; so a refresh token is never used twice by
//!    two commands that start at once.
//! 3. It is replaced whole: written beside, synced, renamed, and the folder synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::Error;
use super::host::Host;
use super::secret::{Secret, wipe};
use crate::base::limits::TOKEN_FILE_BYTES_MAX;

/// Mode bits of everyone but the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;
/// Mode bits by which others change what a folder holds.
#[cfg(unix)]
const OTHERS_WRITE: u32 = 0o022;
/// The mode bit of a folder in which each changes only what is theirs.
#[cfg(unix)]
const STICKY: u32 = 0o1000;

/// The path of a token file.
#[derive(Clone, Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
}

/// The right to change a token file, for as long as it is held.
#[derive(Debug)]
pub(super) struct TokenFileLock<'a> {
    file: &'a TokenFile,
    _lock: File,
}

/// What a token file holds.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) refresh: Option<Secret>,
    /// The server that they are from.
    pub(super) host: Option<Host>,
    pub(super) db: Option<String>,
    /// The user as it signed in.
    pub(super) user: Option<String>,
    /// When the access token ends, Unix milliseconds.
    pub(super) expires_at_ms: Option<i64>,
}

impl TokenFile {
    /// The file at `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file where a person has it: `solon/auth-token.json` in `XDG_CONFIG_HOME`, or in `~/.config`.
    pub(super) fn usual() -> Result<Self, Error> {
        let absolute = |name: &str| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let folder = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))
            .ok_or(Error::Arguments(
                "there is no `HOME` to keep a token file in: name one with `--token-file`",
            ))?;
        Ok(Self::at(folder.join("solon").join("auth-token.json")))
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds; `None` if there is no file.
    pub(super) fn read(&self) -> Result<Option<Tokens>, Error> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        match parse(&text) {
            Some(tokens) => Ok(Some(tokens)),
            None => Err(self.wrong("is no token file")),
        }
    }

    /// Waits until no other command changes it.
    pub(super) fn lock(&self) -> Result<TokenFileLock<'_>, Error> {
        let lock_path = self.beside(".lock");
        let failed = |why| Error::Written {
            path: lock_path.clone(),
            why,
        };
        let folder = self.folder();
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(folder).map_err(failed)?;
        self.check_folder()?;
        if fs::symlink_metadata(&lock_path).is_ok_and(|about| !about.is_file()) {
            return Err(self.wrong("has a lock beside it that is not a file"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let lock = options.open(&lock_path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(TokenFileLock {
            file: self,
            _lock: lock,
        })
    }

    fn text(&self) -> Result<Option<Zeroizing<String>>, Error> {
        let unread = |why| Error::Unread {
            path: self.path.clone(),
            why,
        };
        let named = match fs::symlink_metadata(&self.path) {
            Ok(named) => named,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(unread(why)),
        };
        if named.is_symlink() {
            return Err(self.wrong("is a symlink, and a token file is a file by itself"));
        }
        if !named.is_file() {
            return Err(self.wrong("is not a file"));
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Another command signed out in between.
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(unread(why)),
        };
        self.check_folder()?;
        self.check_owners(&named, &file.metadata().map_err(unread)?)?;
        let max = u64::try_from(TOKEN_FILE_BYTES_MAX).unwrap_or(u64::MAX);
        let mut text = Zeroizing::new(String::new());
        file.take(max.saturating_add(1))
            .read_to_string(&mut text)
            .map_err(unread)?;
        if text.len() > TOKEN_FILE_BYTES_MAX {
            return Err(self.wrong("is too large for a token file"));
        }
        Ok(Some(text))
    }

    /// That the file is its owner's alone.
    #[cfg(unix)]
    fn check_owners(&self, named: &fs::Metadata, opened: &fs::Metadata) -> Result<(), Error> {
        use std::os::unix::fs::MetadataExt as _;
        // Replaced whole by another command in between, it has another inode: then its mode is asked for all the same.
        if !opened.is_file() || (named.dev() != opened.dev()) {
            return Err(self.wrong("is not a file"));
        }
        if opened.mode() & OTHERS != 0 {
            let path = self.path.display();
            return Err(self.wrong(&format!("can be read by others: `chmod 600 {path}`")));
        }
        if opened.nlink() > 1 {
            return Err(self.wrong("has a second name, and a token file is a file by itself"));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on Unix")]
    fn check_owners(&self, _: &fs::Metadata, _: &fs::Metadata) -> Result<(), Error> {
        Ok(())
    }

    /// That no other can put a file in its place.
    fn check_folder(&self) -> Result<(), Error> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let folder = self.folder();
            let about = fs::metadata(folder).map_err(|why| Error::Unread {
                path: folder.to_owned(),
                why,
            })?;
            let mode = about.permissions().mode();
            if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
                let folder = folder.display();
                return Err(self.wrong(&format!(
                    "stands in a folder that others can write: `chmod 700 {folder}`"
                )));
            }
        }
        Ok(())
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn wrong(&self, what: &str) -> Error {
        Error::WrongFile {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }
}

impl TokenFileLock<'_> {
    /// Puts these tokens in the place of those that are there.
    pub(super) fn write(&self, tokens: &Tokens) -> Result<(), Error> {
        let TokenFile { path } = self.file;
        let failed = |why| Error::Written {
            path: path.clone(),
            why,
        };
        if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
            return Err(self.file.wrong("is not a file"));
        }
        let new = self.file.beside(".new");
        let written = self.write_new(&new, &text(tokens));
        if let Err(why) = written.and_then(|()| fs::rename(&new, path)) {
            // It holds a secret that nobody will look for; if it stays, the next write takes it away.
            let _ = fs::remove_file(&new);
            return Err(failed(why));
        }
        self.sync_folder().map_err(failed)
    }

    /// Takes the file away.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let TokenFile { path } = self.file;
        // What a command left that died while it wrote.
        for path in [&self.file.beside(".new"), path] {
            match fs::remove_file(path) {
                Ok(()) => {}
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => {
                    let path = path.clone();
                    return Err(Error::Written { path, why });
                }
            }
        }
        self.sync_folder().map_err(|why| Error::Written {
            path: path.clone(),
            why,
        })
    }

    #[expect(clippy::unused_self, reason = "who writes holds the lock")]
    fn write_new(&self, path: &Path, text: &str) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    fn sync_folder(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(self.file.folder())?.sync_all()?;
        }
        Ok(())
    }
}

fn text(tokens: &Tokens) -> Zeroizing<String> {
    let Tokens {
        access,
        refresh,
        host,
        db,
        user,
        expires_at_ms,
    } = tokens;
    let expires_at = expires_at_ms
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map(|moment| moment.to_string());
    let mut value = json!({
        "access_token": access.expose(),
        "refresh_token": refresh.as_ref().map(Secret::expose),
        "token_type": "Bearer",
        "host": host.as_ref().map(ToString::to_string),
        "db": db,
        "user": user,
        "expires_at": expires_at,
    });
    let text = Zeroizing::new(format!("{value:#}\n"));
    wipe(&mut value);
    text
}

fn parse(text: &str) -> Option<Tokens> {
    let text = text.trim();
    if !text.starts_with('{') {
        let is_token = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        return is_token.then(|| Tokens {
            access: Secret::new(text.to_owned()),
            refresh: None,
            host: None,
            db: None,
            user: None,
            expires_at_ms: None,
        });
    }
    let mut value: Value = serde_json::from_str(text).ok()?;
    let tokens = from_json(&mut value);
    wipe(&mut value);
    tokens
}

/// A member that is there must be what it should be: a host that cannot be read is not one that may be left out.
fn from_json(value: &mut Value) -> Option<Tokens> {
    let access = Secret::take(value, "access_token")?;
    let refresh = match value.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(_) => Some(Secret::take(value, "refresh_token")?),
    };
    let text = |member: &str| match value.get(member) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let host = match text("host")? {
        Some(host) => Some(host.parse().ok()?),
        None => None,
    };
    let expires_at_ms = match text("expires_at")? {
        Some(moment) => {
            let moment: jiff::Timestamp = moment.parse().ok()?;
            Some(moment.as_millisecond())
        }
        None => None,
    };
    Some(Tokens {
        access,
        refresh,
        host,
        db: text("db")?,
        user: text("user")?,
        expires_at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(access: &str) -> Tokens {
        Tokens {
            access: Secret::new(access.to_owned()),
            refresh: Some(Secret::new("again".to_owned())),
            host: Some("http://127.0.0.1:8090".parse().unwrap()),
            db: Some("local/default".to_owned()),
            user: Some("ann".to_owned()),
            expires_at_ms: Some(1_700_000_000_000),
        }
    }

    fn told(file: &TokenFile) -> String {
        file.read().unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_and_only_its_owner_can() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("a/b/token.json"));
        assert!(file.read().unwrap().is_none());
        for access in ["one", "two"] {
            file.lock().unwrap().write(&tokens(access)).unwrap();
            let read = file.read().unwrap().unwrap();
            assert_eq!(read.access.expose(), access);
            assert_eq!(read.refresh.unwrap().expose(), "again");
            assert_eq!(read.host, tokens("").host);
            assert_eq!(read.expires_at_ms, Some(1_700_000_000_000));
            assert_eq!(read.user.as_deref(), Some("ann"));
            assert_eq!(read.db.as_deref(), Some("local/default"));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(file.path()), 0o600);
            assert_eq!(mode(file.folder()), 0o700);
        }
        file.lock().unwrap().remove().unwrap();
        file.lock().unwrap().remove().unwrap();
        assert!(file.read().unwrap().is_none());
    }

    #[test]
    fn what_a_dying_command_left_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("token.json"));
        let left = file.beside(".new");
        fs::write(&left, "half").unwrap();
        file.lock().unwrap().write(&tokens("one")).unwrap();
        assert!(!left.exists());
        fs::write(&left, "half").unwrap();
        file.lock().unwrap().remove().unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_file_that_is_no_token_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("token.json"));
        let long = "x".repeat(TOKEN_FILE_BYTES_MAX);
        for (text, access) in [
            (r#"{"access_token": "a"}"#, Some("a")),
            (
                r#"{"access_token": "a", "refresh_token": null, "host": null}"#,
                Some("a"),
            ),
            ("solon_abc\n", Some("solon_abc")),
            (&long, Some(&*long)),
            ("", None),
            ("two words", None),
            ("{}", None),
            ("{", None),
            (r#"{"access_token": 1}"#, None),
            (r#"{"access_token": "a", "refresh_token": 1}"#, None),
            (r#"{"access_token": "a", "host": "nowhere"}"#, None),
            (r#"{"access_token": "a", "host": 1}"#, None),
            (r#"{"access_token": "a", "expires_at": "soon"}"#, None),
            (r#"{"access_token": "a", "expires_at": 1}"#, None),
        ] {
            let lock = file.lock().unwrap();
            lock.remove().unwrap();
            lock.write_new(file.path(), text).unwrap();
            let read = file.read();
            match access {
                Some(access) => assert_eq!(read.unwrap().unwrap().access.expose(), access),
                None => assert!(read.unwrap_err().to_string().contains("is no token file")),
            }
        }
        fs::write(file.path(), "x".repeat(TOKEN_FILE_BYTES_MAX + 1)).unwrap();
        assert!(told(&file).contains("is too large"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::at(dir.path().join("token.json"));
        file.lock().unwrap().write(&tokens("one")).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for (mode, is_taken) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
            (0o601, false),
        ] {
            set(file.path(), mode);
            assert_eq!(file.read().is_ok(), is_taken, "{mode:o}");
        }
        assert!(told(&file).contains("chmod 600"));
        set(file.path(), 0o600);
        for (mode, is_taken) in [
            (0o700, true),
            (0o755, true),
            (0o1777, true),
            (0o770, false),
            (0o702, false),
        ] {
            set(dir.path(), mode);
            assert_eq!(file.read().is_ok(), is_taken, "{mode:o}");
            assert_eq!(file.lock().is_ok(), is_taken, "{mode:o}");
        }
        set(dir.path(), 0o700);

        fs::hard_link(file.path(), dir.path().join("other")).unwrap();
        assert!(told(&file).contains("second name"));
        fs::remove_file(file.path()).unwrap();
        symlink(dir.path().join("other"), file.path()).unwrap();
        assert!(told(&file).contains("is a symlink"));
        let refused = file.lock().unwrap().write(&tokens("two"));
        assert!(refused.is_err());
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(told(&file).contains("is not a file"));
        fs::remove_dir(file.path()).unwrap();
        fs::remove_file(file.beside(".lock")).unwrap();
        symlink(dir.path().join("other"), file.beside(".lock")).unwrap();
        assert!(file.lock().is_err());
    }
}
