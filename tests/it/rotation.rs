//! The life of the keys that sign tokens: published, signing, retiring, revoked, with a process on the folder that
//! notices, a clock that is driven, and a folder that is cut off between any two steps.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use solon::base::limits::{
    JWKS_AGE_SECONDS_MAX, KEY_PUBLISHED_SECONDS, KEYS_LOOK_MS_MAX, KEYS_MAX, REVOKED_KEYS_MAX,
};
use solon::base::{Clock, ManualClock};
use solon::model::{Incarnation, SubjectId};
use solon::token::{
    Error, Expected, Grant, KeyStart, KeyState, Keys, TokenId, Verifier, list_keys, revoke_key,
    revoke_refresh_tokens, rotate_keys,
};

const NOW_MS: i64 = 1_800_000_000_500;
const LIFE: Incarnation = Incarnation([0xab; 16]);
const EXPECTED: Expected<'_> = Expected {
    audience: "local/default",
    incarnation: LIFE,
};

/// A key folder, a process that has it open, and the clock of both.
struct House {
    _home: tempfile::TempDir,
    dir: PathBuf,
    clock: Arc<ManualClock>,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("keys");
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let verifier = open(&dir, &clock);
        Self {
            _home: home,
            dir,
            clock,
            verifier,
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The time in which a change is noticed passes.
    fn notice(&self) {
        self.clock.advance(Duration::from_millis(KEYS_LOOK_MS_MAX));
    }

    /// A token that lives for a year, by the key that signs.
    fn token(&self) -> String {
        let grant = grant(self.now_ms() / 1_000);
        self.verifier.keys().sign(&grant).unwrap()
    }

    /// The key by which a token verifies.
    fn kid(&self, token: &str) -> Result<String, Error> {
        let proved = self.verifier.verify(token, &EXPECTED, self.now_ms())?;
        Ok(proved.kid.clone())
    }

    fn signs(&self) -> String {
        self.kid(&self.token()).unwrap()
    }

    fn rotate(&self, start: KeyStart) -> String {
        rotate_keys(&self.dir, start, self.now_ms())
            .unwrap()
            .public
            .kid
    }

    fn revoke(&self, kid: &str) -> Option<String> {
        let signs = revoke_key(&self.dir, kid, self.now_ms()).unwrap();
        signs.map(|key| key.public.kid)
    }

    /// The keys and where they stand, as a new reader finds them.
    fn states(&self) -> Vec<(String, KeyState)> {
        let listed = list_keys(&self.dir, self.now_ms()).unwrap();
        let keys = listed.keys.into_iter();
        keys.map(|key| (key.public.kid, key.state)).collect()
    }
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Verifier {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Verifier::of_folder(dir, None, &clock).unwrap()
}

fn grant(issued_at_s: i64) -> Grant<'static> {
    Grant {
        subject: SubjectId::from_raw((6 << 44) | 7).unwrap(),
        audience: "local/default",
        incarnation: LIFE,
        issued_at_s,
        lifetime_seconds: Some(365 * 86_400),
        id: TokenId::new("record-1").unwrap(),
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_published_before_it_signs_and_the_one_before_it_still_verifies() {
    let house = House::new();
    let first = house.signs();
    let old = house.token();
    let next = house.rotate(KeyStart::Published);
    house.notice();
    let published: Vec<_> = house.verifier.published().unwrap();
    assert!(published.iter().any(|key| key.kid == next));
    assert_eq!(house.signs(), first);
    let states = |a, b| vec![(first.clone(), a), (next.clone(), b)];
    assert_eq!(house.states(), states(KeyState::Active, KeyState::Next));
    // A token by a key before its time verifies: whoever holds the key is the owner.
    let early = Keys::load(&house.dir).unwrap();
    let early = early.sign(&grant(house.now_ms() / 1_000 + 700)).unwrap();
    let later = house.now_ms() + 700_000;
    let proved = house.verifier.verify(&early, &EXPECTED, later).unwrap();
    assert_eq!(proved.kid, next);
    // To the second, and no reading of the folder in between.
    const { assert!(KEY_PUBLISHED_SECONDS > JWKS_AGE_SECONDS_MAX + KEYS_LOOK_MS_MAX / 1_000) };
    house
        .clock
        .set_ms((NOW_MS / 1_000 + i64::try_from(KEY_PUBLISHED_SECONDS).unwrap()) * 1_000 - 1);
    assert_eq!(house.signs(), first);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.signs(), next);
    assert_eq!(house.kid(&old), Ok(first.clone()));
    assert_eq!(house.states(), states(KeyState::Retiring, KeyState::Active));
    assert_eq!(house.revoke(&first), None);
    house.notice();
    assert_eq!(house.kid(&old), Err(Error::UnknownKey));
    assert_eq!(house.states(), [(next, KeyState::Active)]);
}

#[test]
fn a_second_next_key_is_not_made_and_a_clock_that_runs_back_lets_the_old_one_sign() {
    let house = House::new();
    let first = house.signs();
    let next = house.rotate(KeyStart::Published);
    let again = rotate_keys(&house.dir, KeyStart::Published, house.now_ms());
    assert_eq!(again, Err(Error::NextKeyStands));
    house
        .clock
        .advance(Duration::from_secs(KEY_PUBLISHED_SECONDS));
    assert_eq!(house.signs(), next);
    house.clock.set_ms(NOW_MS);
    assert_eq!(house.signs(), first);
}

#[test]
fn in_an_emergency_the_next_key_or_a_new_one_signs_at_once() {
    let house = House::new();
    let first = house.signs();
    let second = house.rotate(KeyStart::AtOnce);
    house.notice();
    assert_eq!(house.signs(), second);
    let third = house.rotate(KeyStart::Published);
    assert_eq!(house.rotate(KeyStart::AtOnce), third);
    house.notice();
    assert_eq!(house.signs(), third);
    let retiring = |kid| (kid, KeyState::Retiring);
    assert_eq!(
        house.states(),
        [retiring(first), retiring(second), (third, KeyState::Active)]
    );
}

#[test]
fn what_a_revoked_key_signed_is_refused_by_a_running_process_though_it_was_remembered() {
    let house = House::new();
    let token = house.token();
    let first = house.kid(&token).unwrap();
    let second = house.revoke(&first).unwrap();
    // The process has not looked yet; one millisecond before its time it need not have.
    house
        .clock
        .advance(Duration::from_millis(KEYS_LOOK_MS_MAX - 1));
    assert_eq!(house.kid(&token), Ok(first.clone()));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(house.kid(&token), Err(Error::UnknownKey));
    assert_eq!(house.signs(), second);
    assert_eq!(house.states(), [(second, KeyState::Active)]);
    let listed = list_keys(&house.dir, house.now_ms()).unwrap();
    assert_eq!(listed.revoked.len(), 1);
    assert_eq!(listed.revoked[0].kid, first);
    assert_eq!(listed.revoked[0].revoked_at_s, NOW_MS / 1_000);
    let again = revoke_key(&house.dir, &first, house.now_ms());
    assert_eq!(again, Err(Error::NoSuchKey(first)));
}

#[test]
fn minting_notices_a_revocation_as_verifying_does() {
    let house = House::new();
    let first = house.signs();
    let second = house.revoke(&first).unwrap();
    house.notice();
    let token = house.token();
    assert_eq!(house.kid(&token), Ok(second));
}

#[test]
fn when_the_signing_key_is_revoked_the_published_one_signs_and_no_retired_one() {
    let house = House::new();
    let first = house.signs();
    let second = house.rotate(KeyStart::AtOnce);
    assert_eq!(
        house.revoke(&second).as_ref().map(|it| *it == first),
        Some(false)
    );
    house.notice();
    let third = house.signs();
    assert!(third != first && third != second);
    let fourth = house.rotate(KeyStart::Published);
    assert_eq!(house.revoke(&third), Some(fourth.clone()));
    house.notice();
    assert_eq!(house.signs(), fourth);
    // The next key itself can be revoked: the one that signs goes on.
    let fifth = house.rotate(KeyStart::Published);
    assert_eq!(house.revoke(&fifth), None);
    house.notice();
    assert_eq!(house.signs(), fourth);
}

#[test]
fn a_revoked_key_that_comes_back_with_a_copy_is_none() {
    let house = House::new();
    let token = house.token();
    let first = house.kid(&token).unwrap();
    let path = house.dir.join("key-00000001.pem");
    let copy = fs::read(&path).unwrap();
    let second = house.revoke(&first).unwrap();
    fs::write(house.dir.join("key-00000009.pem"), copy).unwrap();
    set_mode(&house.dir.join("key-00000009.pem"), 0o600);
    house.notice();
    assert_eq!(house.kid(&token), Err(Error::UnknownKey));
    assert_eq!(house.signs(), second);
    // Revoking it again takes the file away.
    assert_eq!(house.revoke(&first), None);
    assert!(!house.dir.join("key-00000009.pem").exists());
}

#[test]
fn refresh_tokens_end_with_their_key_and_outlive_the_others() {
    let house = House::new();
    let family = TokenId::random().unwrap();
    let made = |verifier: &Verifier| verifier.keys().refresh_token(LIFE, &family, 3).unwrap();
    let token = made(&house.verifier);
    let read = |text: &str| {
        house
            .verifier
            .keys()
            .read_refresh_token(text)
            .map(|it| it.generation())
    };
    assert_eq!(read(token.text()), Ok(3));
    assert_eq!(made(&house.verifier).text(), token.text());
    let first = house.signs();
    house.revoke(&first);
    house.notice();
    assert_eq!(read(token.text()), Ok(3));
    revoke_refresh_tokens(&house.dir).unwrap();
    house.notice();
    assert_eq!(read(token.text()), Err(Error::Signature));
    let next = made(&house.verifier);
    assert_ne!(next.text(), token.text());
    assert_eq!(read(next.text()), Ok(3));
    // And a process that starts then knows the new one alone.
    let started = open(&house.dir, &house.clock);
    assert_eq!(made(&started).text(), next.text());
}

#[test]
fn a_folder_of_an_earlier_version_gets_its_refresh_key_at_the_next_start() {
    let house = House::new();
    let first = house.signs();
    fs::remove_file(house.dir.join("refresh.key")).unwrap();
    fs::remove_file(house.dir.join("lock")).unwrap();
    let keys = Keys::load(&house.dir).unwrap();
    let family = TokenId::random().unwrap();
    let none = keys.refresh_token(LIFE, &family, 0).map(drop);
    assert_eq!(none, Err(Error::NoRefreshKey));
    let started = open(&house.dir, &house.clock);
    assert!(started.keys().refresh_token(LIFE, &family, 0).is_ok());
    assert_eq!(house.signs(), first);
    let path = house.dir.join("refresh.key");
    for (content, mode) in [("half", 0o600), ("", 0o600)] {
        fs::write(&path, content).unwrap();
        set_mode(&path, mode);
        assert!(matches!(Keys::load(&house.dir), Err(Error::KeyFile { .. })));
    }
    set_mode(&path, 0o644);
    assert!(matches!(Keys::load(&house.dir), Err(Error::KeyFile { .. })));
}

#[test]
fn what_cannot_be_read_keeps_the_old_keys_and_never_a_revoked_one() {
    let house = House::new();
    let first = house.signs();
    let by_first = house.token();
    let second = house.rotate(KeyStart::AtOnce);
    house.notice();
    let by_second = house.token();
    assert_eq!(house.kid(&by_second), Ok(second.clone()));
    // A key file that is broken: the keys that were read stand.
    fs::write(house.dir.join("key-00000002.pem"), "half").unwrap();
    house.notice();
    assert_eq!(house.kid(&by_first), Ok(first.clone()));
    assert_eq!(house.kid(&by_second), Ok(second.clone()));
    assert_eq!(house.signs(), second);
    // While it is, the other is listed as revoked: it ends all the same.
    fs::write(house.dir.join("revoked"), format!("{first} 1800000000\n")).unwrap();
    house.notice();
    assert_eq!(house.kid(&by_first), Err(Error::UnknownKey));
    assert_eq!(house.kid(&by_second), Ok(second.clone()));
    // And what was read before ends when it is listed, though its file is unreadable.
    let both = format!("{first} 1800000000\n{second} 1800000000\n");
    fs::write(house.dir.join("revoked"), both).unwrap();
    house.notice();
    assert_eq!(house.kid(&by_second), Err(Error::KeysUnread));
    assert_eq!(house.verifier.published(), Err(Error::KeysUnread));
    let minted = house.verifier.keys().sign(&grant(NOW_MS / 1_000));
    assert_eq!(minted, Err(Error::KeysUnread));
}

#[test]
fn a_key_whose_file_is_gone_ends_though_another_cannot_be_read() {
    let house = House::new();
    let by_first = house.token();
    house.rotate(KeyStart::AtOnce);
    house.notice();
    let by_second = house.token();
    fs::remove_file(house.dir.join("key-00000001.pem")).unwrap();
    fs::write(house.dir.join("key-00000002.pem"), "half").unwrap();
    house.notice();
    assert_eq!(house.kid(&by_first), Err(Error::UnknownKey));
    assert!(house.kid(&by_second).is_ok());
}

#[test]
fn without_the_list_of_what_was_revoked_nothing_verifies_until_it_is_there() {
    let house = House::new();
    let token = house.token();
    let first = house.kid(&token).unwrap();
    let list = house.dir.join("revoked");
    for broken in ["one", "kid -1\n", "kid 01\n", "\u{1}"] {
        fs::write(&list, broken).unwrap();
        house.notice();
        assert_eq!(house.kid(&token), Err(Error::KeysUnread), "{broken}");
        assert!(list_keys(&house.dir, NOW_MS).is_err());
        // It is looked at again though nothing changes, and comes back by itself.
        fs::remove_file(&list).unwrap();
        house.notice();
        assert_eq!(house.kid(&token), Ok(first.clone()));
    }
    // A folder that others may write, and one that is gone.
    set_mode(&house.dir, 0o777);
    fs::write(&list, "").unwrap();
    house.notice();
    assert_eq!(house.kid(&token), Err(Error::KeysUnread));
    set_mode(&house.dir, 0o700);
    house.notice();
    assert_eq!(house.kid(&token), Ok(first.clone()));
    let away = house.dir.with_extension("away");
    fs::rename(&house.dir, &away).unwrap();
    house.notice();
    assert_eq!(house.kid(&token), Err(Error::KeysUnread));
    fs::rename(&away, &house.dir).unwrap();
    house.notice();
    assert_eq!(house.kid(&token), Ok(first));
}

#[test]
fn a_command_that_was_cut_off_leaves_a_good_folder_and_is_given_again() {
    let house = House::new();
    let first = house.signs();
    // Rotation: the second from which a key signs stands, and the key does not.
    fs::write(house.dir.join("key-00000002.from"), "1\n").unwrap();
    fs::write(house.dir.join("key-00000002.tmp"), "half").unwrap();
    assert_eq!(house.states(), [(first.clone(), KeyState::Active)]);
    // A key that signs at once takes the number, and not the second of another.
    fs::write(house.dir.join("key-00000002.from"), "99999999999\n").unwrap();
    let second = house.rotate(KeyStart::AtOnce);
    house.notice();
    assert_eq!(house.signs(), second);
    // Revocation: the successor stands, the key is not listed.
    let third = house.rotate(KeyStart::AtOnce);
    house.notice();
    assert_eq!(house.signs(), third);
    assert_eq!(house.revoke(&second), None);
    // Listed, and the file is there still.
    let now_s = house.now_ms() / 1_000;
    let list = fs::read_to_string(house.dir.join("revoked")).unwrap();
    fs::write(
        house.dir.join("revoked"),
        format!("{list}{first} {now_s}\n"),
    )
    .unwrap();
    assert_eq!(house.states(), [(third.clone(), KeyState::Active)]);
    assert_eq!(house.revoke(&first), None);
    assert!(!house.dir.join("key-00000001.pem").exists());
    let listed = list_keys(&house.dir, NOW_MS).unwrap().revoked;
    let kids: Vec<_> = listed.iter().map(|it| it.kid.clone()).collect();
    assert_eq!(kids, [second, first]);
    // The second stands where the key went and it did not.
    fs::write(house.dir.join("key-00000001.from"), "1\n").unwrap();
    assert_eq!(house.states(), [(third, KeyState::Active)]);
}

#[test]
fn a_second_that_is_none_is_refused_with_its_key() {
    let house = House::new();
    let token = house.token();
    for broken in ["", "x", "-1\n", "01\n", "1\n\n", "9223372036854775808\n"] {
        fs::write(house.dir.join("key-00000001.from"), broken).unwrap();
        let refused = Keys::load(&house.dir).unwrap_err();
        assert!(
            refused.to_string().contains("key-00000001.from"),
            "{refused}"
        );
        house.notice();
        assert!(house.kid(&token).is_ok(), "{broken}");
    }
}

#[test]
fn a_folder_has_so_many_keys_and_remembers_so_many_that_were_revoked() {
    let house = House::new();
    for _ in 1..KEYS_MAX {
        house.rotate(KeyStart::AtOnce);
    }
    let full = rotate_keys(&house.dir, KeyStart::AtOnce, NOW_MS);
    assert_eq!(full, Err(Error::TooManyKeys { max: KEYS_MAX }));
    let kids: Vec<_> = house.states().into_iter().map(|it| it.0).collect();
    assert_eq!(kids.len(), KEYS_MAX);
    // One past it, that somebody put there.
    let last = format!("key-{KEYS_MAX:08}.pem");
    let extra = house.dir.join("key-00009999.pem");
    fs::copy(house.dir.join(&last), &extra).unwrap();
    assert!(matches!(Keys::load(&house.dir), Err(Error::KeyFile { .. })));
    fs::remove_file(&extra).unwrap();
    // The one that signs cannot be followed: it is not revoked before there is room.
    let signs = kids.last().unwrap();
    let refused = revoke_key(&house.dir, signs, NOW_MS);
    assert_eq!(refused, Err(Error::TooManyKeys { max: KEYS_MAX }));
    for kid in &kids {
        house.revoke(kid);
    }
    assert_eq!(
        list_keys(&house.dir, NOW_MS).unwrap().revoked.len(),
        KEYS_MAX
    );
    const { assert!(KEYS_MAX == REVOKED_KEYS_MAX) };
    let last = house.states().pop().unwrap().0;
    house.revoke(&last);
    let revoked = list_keys(&house.dir, NOW_MS).unwrap().revoked;
    assert_eq!(revoked.len(), REVOKED_KEYS_MAX);
    assert_eq!(revoked[0].kid, kids[1]);
    assert_eq!(revoked.last().unwrap().kid, last);
}

#[test]
fn commands_at_once_lose_no_key_and_two_starts_make_one() {
    let house = House::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| rotate_keys(&house.dir, KeyStart::AtOnce, NOW_MS).unwrap());
        }
    });
    assert_eq!(house.states().len(), 9);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data/keys");
    let kids: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keys::load_or_create(&dir).unwrap()))
            .collect();
        let keys = starts.into_iter().map(|start| start.join().unwrap());
        keys.map(|keys| keys.public_keys().next().unwrap().kid.clone())
            .collect()
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]));
    assert_eq!(Keys::load(&dir).unwrap().public_keys().count(), 1);
}

#[test]
fn the_files_of_a_rotation_are_the_owners_alone() {
    let house = House::new();
    let first = house.signs();
    house.rotate(KeyStart::Published);
    house.revoke(&first);
    house.rotate(KeyStart::Published);
    let mut names = Vec::new();
    for entry in fs::read_dir(&house.dir).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "issuer",
            "key-00000002.pem",
            "key-00000003.from",
            "key-00000003.pem",
            "lock",
            "refresh.key",
            "revoked"
        ]
    );
}

#[test]
fn the_issuer_that_was_asked_for_stands_through_a_rotation() {
    let home = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
    let dir = home.path().join("keys");
    let verifier = Verifier::of_folder(&dir, Some("https://id.example"), &clock).unwrap();
    assert_eq!(verifier.keys().issuer(), "https://id.example");
    let refused = Verifier::of_folder(&dir, Some("a b"), &clock).map(drop);
    assert_eq!(refused, Err(Error::Issuer));
}

#[test]
fn a_command_on_no_key_folder_makes_none() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("keys");
    assert!(rotate_keys(&dir, KeyStart::AtOnce, NOW_MS).is_err());
    assert!(revoke_refresh_tokens(&dir).is_err());
    assert!(revoke_key(&dir, "kid", NOW_MS).is_err());
    assert!(list_keys(&dir, NOW_MS).is_err());
    assert!(!dir.exists());
}
