//! Access tokens and their keys: each check fails in a test of its own, under a driven clock.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use solon::base::limits::{ISSUED_AHEAD_MS_MAX, TOKEN_BYTES_MAX, TOKEN_SECONDS_MAX};
use solon::base::{Clock as _, ManualClock};
use solon::model::{Incarnation, SubjectId};
use solon::token::{Error, Expected, Grant, Identity, Keys, TokenId, Verifier};

const SEED: [u8; 32] = [42; 32];
const NOW_S: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW_S * 1_000;
const LIFE: Incarnation = Incarnation([0xab; 16]);
const EXPECTED: Expected<'_> = Expected {
    audience: "local/default",
    incarnation: LIFE,
};

fn keys() -> Keys {
    Keys::ephemeral(&SEED).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(Arc::new(keys()))
}

fn subject() -> SubjectId {
    SubjectId::from_raw((6 << 44) | 7).unwrap()
}

fn grant() -> Grant<'static> {
    Grant {
        subject: subject(),
        audience: "local/default",
        incarnation: LIFE,
        issued_at_s: NOW_S,
        lifetime_seconds: Some(60),
        id: TokenId::new("record-1").unwrap(),
    }
}

fn token() -> String {
    keys().sign(&grant()).unwrap()
}

fn verify(token: &str) -> Result<Identity, Error> {
    let verifier = verifier();
    let proved = verifier.verify(token, &EXPECTED, NOW_MS);
    assert_eq!(verifier.remembered(), usize::from(proved.is_ok()));
    proved.map(|identity| Identity::clone(&identity))
}

fn kid() -> String {
    keys().public_keys().next().unwrap().kid.clone()
}

fn header() -> String {
    format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}"}}"#, kid())
}

fn claims() -> String {
    let issuer = keys().issuer().to_owned();
    format!(
        r#"{{"iss":"{issuer}","sub":"{}","aud":"local/default","iat":{NOW_S},"exp":{},"jti":"{LIFE}.record-1"}}"#,
        subject(),
        NOW_S + 60
    )
}

/// A token with this header and these claims, rightly signed.
fn signed(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = SigningKey::from_bytes(&SEED).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn with_claim(from: &str, to: &str) -> String {
    let claims = claims();
    assert!(claims.contains(from));
    signed(&header(), &claims.replacen(from, to, 1))
}

fn with_header(from: &str, to: &str) -> String {
    let header = header();
    assert!(header.contains(from));
    signed(&header.replacen(from, to, 1), &claims())
}

#[test]
fn a_token_proves_what_was_granted_and_is_written_as_documented() {
    let identity = verify(&token()).unwrap();
    assert_eq!(identity.subject, subject());
    assert_eq!(identity.audience, "local/default");
    assert_eq!(identity.incarnation, LIFE);
    assert_eq!(identity.token_id, "record-1");
    assert_eq!(identity.issued_at_s, NOW_S);
    assert_eq!(identity.expires_at_s, Some(NOW_S + 60));
    assert_eq!(identity.kid, kid());
    assert_eq!(token(), signed(&header(), &claims()));
}

#[test]
fn a_token_without_an_end_is_valid_for_ever() {
    let endless = keys()
        .sign(&Grant {
            lifetime_seconds: None,
            ..grant()
        })
        .unwrap();
    let identity = verifier().verify(&endless, &EXPECTED, i64::MAX).unwrap();
    assert_eq!(identity.expires_at_s, None);
}

#[test]
fn another_algorithm_is_refused_whatever_it_is_signed_with() {
    for alg in ["none", "None", "HS256", "RS256", "ES256", "Ed25519", ""] {
        let token = with_header("EdDSA", alg);
        assert_eq!(verify(&token), Err(Error::Algorithm), "{alg}");
    }
    let unsigned = with_header("EdDSA", "none");
    let (message, _) = unsigned.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{message}.")), Err(Error::Algorithm));
}

#[test]
fn hs256_with_the_public_key_as_its_secret_is_refused() {
    use sha2::{Digest as _, Sha256};
    let public = SigningKey::from_bytes(&SEED).verifying_key().to_bytes();
    let hs = with_header("EdDSA", "HS256");
    let (message, _) = hs.rsplit_once('.').unwrap();
    // HMAC by its definition (RFC 2104), for a key shorter than a block.
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(public).for_each(|(b, key)| *b ^= key);
        block
    };
    let inner = Sha256::digest([&pad(0x36)[..], message.as_bytes()].concat());
    let mac = Sha256::digest([&pad(0x5c)[..], &inner[..]].concat());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac));
    assert_eq!(verify(&token), Err(Error::Algorithm));
}

#[test]
fn a_missing_or_unknown_kid_is_refused() {
    let missing = with_header(&format!(r#","kid":"{}""#, kid()), "");
    assert_eq!(verify(&missing), Err(Error::UnknownKey));
    assert_eq!(
        verify(&with_header(&kid(), "other")),
        Err(Error::UnknownKey)
    );
    let other = Keys::ephemeral(&[1; 32]).unwrap().sign(&grant()).unwrap();
    assert_eq!(verify(&other), Err(Error::UnknownKey));
}

#[test]
fn an_extension_or_any_other_field_of_the_header_is_refused() {
    for more in [
        r#""crit":[],"#,
        r#""crit":["exp"],"#,
        r#""jku":"https://example.com","#,
        r#""x":1,"#,
        r#""cty":"JWT","#,
    ] {
        let token = with_header("{", &format!("{{{more}"));
        assert_eq!(verify(&token), Err(Error::Header), "{more}");
    }
}

#[test]
fn another_typ_or_none_is_refused() {
    for typ in ["JWT", "rt+jwt", "AT+JWT", "application/at+jwt", ""] {
        let token = with_header("at+jwt", typ);
        assert_eq!(verify(&token), Err(Error::Type), "{typ}");
    }
    let none = with_header(r#""typ":"at+jwt","#, "");
    assert_eq!(verify(&none), Err(Error::Type));
}

#[test]
fn another_issuer_audience_or_incarnation_is_refused() {
    let other = keys().with_issuer("https://other.example").unwrap();
    assert_eq!(verify(&other.sign(&grant()).unwrap()), Err(Error::Issuer));
    let audience = Grant {
        audience: "local/other",
        ..grant()
    };
    assert_eq!(
        verify(&keys().sign(&audience).unwrap()),
        Err(Error::Audience)
    );
    let life = Grant {
        incarnation: Incarnation([0; 16]),
        ..grant()
    };
    assert_eq!(
        verify(&keys().sign(&life).unwrap()),
        Err(Error::Incarnation)
    );
}

#[test]
fn a_token_ends_exactly_at_its_exp_remembered_or_not() {
    let clock = ManualClock::at(NOW_MS);
    let (token, remembering) = (token(), verifier());
    let both = |now_ms| {
        let remembered = remembering.verify(&token, &EXPECTED, now_ms).map(drop);
        assert_eq!(
            verifier().verify(&token, &EXPECTED, now_ms).map(drop),
            remembered
        );
        remembered
    };
    assert_eq!(both(clock.now_ms()), Ok(()));
    clock.advance(Duration::from_secs(59));
    assert_eq!(both(clock.now_ms()), Ok(()));
    clock.advance(Duration::from_millis(999));
    assert_eq!(both(clock.now_ms()), Ok(()));
    clock.advance(Duration::from_millis(1));
    assert_eq!(both(clock.now_ms()), Err(Error::Expired));
    clock.set_ms(i64::MAX);
    assert_eq!(both(clock.now_ms()), Err(Error::Expired));
    assert_eq!(remembering.remembered(), 1);
}

#[test]
fn an_iat_may_be_ahead_by_two_seconds_and_no_more() {
    let (token, verifier) = (token(), verifier());
    let at = |now_ms| verifier.verify(&token, &EXPECTED, now_ms).map(drop);
    let (edge, past) = (
        NOW_MS - ISSUED_AHEAD_MS_MAX,
        NOW_MS - ISSUED_AHEAD_MS_MAX - 1,
    );
    assert_eq!(at(past), Err(Error::NotYetValid));
    assert_eq!(at(edge), Ok(()));
    // And when it is remembered.
    assert_eq!(at(past), Err(Error::NotYetValid));
    assert_eq!(at(i64::MIN), Err(Error::NotYetValid));
}

#[test]
fn a_remembered_token_is_still_for_its_audience_and_incarnation_alone() {
    let (token, verifier) = (token(), verifier());
    verifier.verify(&token, &EXPECTED, NOW_MS).unwrap();
    let other = Expected {
        audience: "local/other",
        ..EXPECTED
    };
    let refused = verifier.verify(&token, &other, NOW_MS);
    assert_eq!(refused.map(drop), Err(Error::Audience));
    let other = Expected {
        incarnation: Incarnation([0; 16]),
        ..EXPECTED
    };
    let refused = verifier.verify(&token, &other, NOW_MS);
    assert_eq!(refused.map(drop), Err(Error::Incarnation));
}

#[test]
fn a_changed_claim_breaks_the_signature() {
    let (message, signature) = {
        let token = token();
        let (message, signature) = token.rsplit_once('.').unwrap();
        (message.to_owned(), signature.to_owned())
    };
    let (header, _) = message.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(claims().replace("record-1", "record-2"));
    let changed = format!("{header}.{other}.{signature}");
    assert_eq!(verify(&changed), Err(Error::Signature));
}

#[test]
fn a_changed_truncated_or_malleated_signature_is_refused() {
    let token = token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let refused = |bytes: &[u8]| {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(verify(&token), Err(Error::Signature));
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    refused(&bytes[..63]);
    refused(&[&bytes[..], &[0]].concat());
    refused(&[]);
    // s + L is congruent to s, and no one's signature but a lax verifier's.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = bytes;
    let mut carry = 0_u16;
    for (byte, add) in malleated[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    refused(&malleated);
}

#[test]
fn base64_has_one_spelling() {
    let token = token();
    // The last letter of 64 bytes has four bits to spare: `A`, `Q`, `g` and `w` are the spellings we write.
    let last = token.chars().last().unwrap();
    let next = char::from(u8::try_from(last).unwrap() + 1);
    let other = format!("{}{next}", &token[..token.len() - 1]);
    assert_eq!(verify(&other), Err(Error::Malformed));
    for tail in ["=", "==", "\n", " ", "."] {
        assert_eq!(verify(&format!("{token}{tail}")), Err(Error::Malformed));
    }
    assert_eq!(verify(&format!(" {token}")), Err(Error::Malformed));
}

#[test]
fn no_prefix_of_a_token_verifies() {
    let token = token();
    for length in 0..token.len() {
        assert!(verify(&token[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_token_of_one_byte_too_many_is_refused_before_it_is_read() {
    let max = TOKEN_BYTES_MAX;
    assert_eq!(verify(&"a".repeat(max)), Err(Error::Malformed));
    assert_eq!(verify(&"a".repeat(max + 1)), Err(Error::TooLong { max }));
}

#[test]
fn claims_of_another_shape_are_refused_though_signed() {
    let end = format!(r#""exp":{}"#, NOW_S + 60);
    let issued = format!(r#""iat":{NOW_S}"#);
    let sub = format!(r#""sub":"{}""#, subject());
    let cases = [
        ("{", r#"{"roles":["root"],"#),
        ("{", r#"{"nbf":0,"#),
        ("{", r#"{"sub":"0","#),
        ("{", r#"{"exp":1,"#),
        (&end, r#""exp":"1800000060""#),
        (&end, r#""exp":1800000060.0"#),
        (&end, r#""exp":-1"#),
        (&end, r#""exp":null"#),
        (&end, r#""exp":18446744073709551615"#),
        (&end, r#""exp":9223372036854776"#),
        (&end, r#""exp":99999999999999999999999"#),
        (&end, r#""exp":1800000000"#),
        (&issued, r#""iat":"1800000000""#),
        (&issued, r#""iat":-1"#),
        (&issued, r#""iat":1.8e9"#),
        (r#""iat":1800000000,"#, ""),
        (&sub, r#""sub":7"#),
        (&sub, r#""sub":"+7""#),
        (&sub, r#""sub":"007""#),
        (&sub, r#""sub":"-7""#),
        (&sub, r#""sub":"9007199254740992""#),
        (&sub, r#""sub":"""#),
        (r#""local/default""#, r#"["local/default"]"#),
        ("abab.", "abab"),
        (r#""jti":"ab"#, r#""jti":"AB"#),
        (r#""jti":"ab"#, r#""jti":"+b"#),
        (r#""jti":"ab"#, r#""jti":""#),
        ("record-1", ""),
        ("record-1", "a.b"),
        ("}", "} "),
        ("}", "}{}"),
    ];
    for (from, to) in cases {
        let proved = verify(&with_claim(from, to));
        if to == "} " {
            // White space after JSON is JSON. Only we sign, so it opens nothing.
            assert!(proved.is_ok());
        } else {
            assert_eq!(proved, Err(Error::Claims), "{from} -> {to}");
        }
    }
    for claims in ["", "{}", "[]", "null", "\u{0}", "{ }"] {
        assert_eq!(
            verify(&signed(&header(), claims)),
            Err(Error::Claims),
            "{claims}"
        );
    }
    let values: Vec<String> = claims()
        .trim_matches(['{', '}'])
        .split(',')
        .map(|claim| claim.split_once(':').unwrap().1.to_owned())
        .collect();
    let array = format!("[{}]", values.join(","));
    assert_eq!(verify(&signed(&header(), &array)), Err(Error::Claims));
}

#[test]
fn a_grant_that_cannot_be_written_is_refused() {
    let refused = |grant: Grant<'_>| keys().sign(&grant).unwrap_err();
    let max = TOKEN_SECONDS_MAX;
    for seconds in [0, max + 1, u64::MAX] {
        let lifetime_seconds = Some(seconds);
        let error = refused(Grant {
            lifetime_seconds,
            ..grant()
        });
        assert_eq!(error, Error::Lifetime { max });
    }
    let lifetime_seconds = Some(max);
    assert!(
        keys()
            .sign(&Grant {
                lifetime_seconds,
                ..grant()
            })
            .is_ok()
    );
    for issued_at_s in [-1, i64::MAX] {
        assert_eq!(
            refused(Grant {
                issued_at_s,
                ..grant()
            }),
            Error::Claims
        );
    }
    let long = "a".repeat(512);
    for audience in ["", &long] {
        assert_eq!(
            refused(Grant {
                audience,
                ..grant()
            }),
            Error::Claims
        );
    }
    let subject = SubjectId::from_raw(-1).unwrap();
    assert_eq!(refused(Grant { subject, ..grant() }), Error::Claims);
}

#[test]
fn a_token_id_has_1_to_64_plain_characters() {
    assert!(TokenId::new(&"a".repeat(64)).is_some());
    for id in ["", "a.b", "a b", "é", &"a".repeat(65)] {
        assert_eq!(TokenId::new(id), None);
    }
    let random = TokenId::random().unwrap();
    assert_eq!(TokenId::new(random.as_str()), Some(random.clone()));
    assert_ne!(TokenId::random().unwrap(), random);
}

#[test]
fn what_a_revoked_key_signed_is_refused_though_it_was_remembered() {
    let (token, verifier) = (token(), verifier());
    verifier.verify(&token, &EXPECTED, NOW_MS).unwrap();
    verifier.forget();
    assert_eq!(verifier.remembered(), 0);
    verifier.verify(&token, &EXPECTED, NOW_MS).unwrap();
    verifier.trust(Arc::new(Keys::ephemeral(&[1; 32]).unwrap()));
    assert_eq!(verifier.remembered(), 0);
    let refused = verifier.verify(&token, &EXPECTED, NOW_MS);
    assert_eq!(refused.map(drop), Err(Error::UnknownKey));
}

#[test]
fn a_process_whose_provider_cannot_serve_gets_an_error_and_no_panic() {
    const CHILD: &str = "SOLON_TEST_PROVIDER_CHILD";
    if std::env::var_os(CHILD).is_some() {
        // As an application that uses jsonwebtoken before us and installs nothing: its placeholder stays.
        let used = std::panic::catch_unwind(|| {
            let key = jsonwebtoken::EncodingKey::from_ed_der(&[]);
            let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
            jsonwebtoken::encode(&header, &(), &key).is_ok()
        });
        assert!(used.is_err());
        assert_eq!(Keys::ephemeral(&SEED).unwrap_err(), Error::Provider);
        return;
    }
    // The provider is the process's, so that this needs one of its own.
    let name = "token::a_process_whose_provider_cannot_serve_gets_an_error_and_no_panic";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

#[test]
fn no_error_tells_the_token() {
    let token = token();
    let signature = token.rsplit('.').next().unwrap();
    for error in [
        verify(&format!("{token}=")).unwrap_err(),
        verify(&with_claim("{", r#"{"secret":1,"#)).unwrap_err(),
    ] {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(signature) && !told.contains("secret"));
    }
}

proptest! {
    // A failure prints its input and the seed; `PROPTEST_RNG_SEED=… cargo test --test it token` repeats it.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_hit_is_a_miss(number in 0_u64..1 << 44, life in any::<[u8; 16]>(), issued in 0..2 * NOW_S,
        seconds in proptest::option::of(1_u64..100_000), id in "[A-Za-z0-9_-]{1,64}", after in -2_000_i64..200_000_000)
    {
        let incarnation = Incarnation(life);
        let token = keys().sign(&Grant {
            subject: SubjectId::from_raw(i64::try_from(number).unwrap()).unwrap(),
            audience: "a/b",
            incarnation,
            issued_at_s: issued,
            lifetime_seconds: seconds,
            id: TokenId::new(&id).unwrap(),
        }).unwrap();
        let expected = Expected { audience: "a/b", incarnation };
        let verifier = verifier();
        let miss = verifier.verify(&token, &expected, issued * 1_000).unwrap();
        let hit = verifier.verify(&token, &expected, issued * 1_000).unwrap();
        prop_assert_eq!(miss, hit);
        let now_ms = issued * 1_000 + after;
        let hit = verifier.verify(&token, &expected, now_ms);
        prop_assert_eq!(self::verifier().verify(&token, &expected, now_ms), hit);
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,300}") {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn any_header_and_claims_return(header in any::<Vec<u8>>(), claims in any::<Vec<u8>>(), sig in any::<Vec<u8>>()) {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let own = part(self::header().as_bytes());
        for header in [part(&header), own] {
            let refused = verify(&format!("{header}.{}.{}", part(&claims), part(&sig))).is_err();
            prop_assert!(refused);
        }
    }

    #[test]
    fn one_byte_changed_is_refused(at in any::<proptest::sample::Index>(), byte in 0_u8..128) {
        let mut bytes = token().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(verify(&String::from_utf8(bytes).unwrap()).is_err());
    }
}

const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIF1/5NZXkavtirH8kEV4ee/Ggv0vXLLnj4LamuNKnkal\n\
    -----END PRIVATE KEY-----\n";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn put_key(dir: &Path, name: &str, content: &[u8]) {
    fs::write(dir.join(name), content).unwrap();
    set_mode(&dir.join(name), 0o600);
}

/// What loading says of a folder whose one key file is this.
fn why(content: &[u8], key_mode: u32) -> String {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("keys");
    Keys::load_or_create(&dir).unwrap();
    put_key(&dir, "key-00000001.pem", content);
    set_mode(&dir.join("key-00000001.pem"), key_mode);
    let error = Keys::load(&dir).unwrap_err();
    assert_eq!(Keys::load_or_create(&dir).unwrap_err(), error);
    assert!(error.to_string().contains("key-00000001.pem"));
    match error {
        Error::KeyFile { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_start_makes_keys_that_only_the_owner_reads_and_the_next_finds_them() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data/keys");
    assert!(matches!(Keys::load(&dir), Err(Error::KeyFile { .. })));
    let made = Keys::load_or_create(&dir).unwrap();
    let found = Keys::load_or_create(&dir).unwrap();
    assert!(made.public_keys().eq(found.public_keys()));
    assert_eq!(made.issuer(), found.issuer());
    assert_eq!(mode(&dir), 0o700);
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["issuer", "key-00000001.pem", "lock", "refresh.key"]);
    for name in names {
        assert_eq!(mode(&dir.join(name)), 0o600);
    }
    let token = made.sign(&grant()).unwrap();
    let verifier = Verifier::new(Arc::new(Keys::load(&dir).unwrap()));
    assert!(verifier.verify(&token, &EXPECTED, NOW_MS).is_ok());
    let other = Keys::load_or_create(&home.path().join("other")).unwrap();
    assert_ne!(other.issuer(), made.issuer());
}

#[test]
fn what_a_crash_left_is_not_a_key() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("keys");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o700);
    for name in ["key-00000001.tmp", "issuer.tmp", "key-1.pem", "other"] {
        fs::write(dir.join(name), "half").unwrap();
    }
    assert!(Keys::load(&dir).is_err());
    let keys = Keys::load_or_create(&dir).unwrap();
    assert_eq!(keys.public_keys().count(), 1);
    assert!(!dir.join("key-00000001.tmp").exists());
    // The issuer is written first: a crash before the key keeps it.
    fs::remove_file(dir.join("key-00000001.pem")).unwrap();
    assert_eq!(Keys::load_or_create(&dir).unwrap().issuer(), keys.issuer());
    fs::remove_file(dir.join("issuer")).unwrap();
    assert!(Keys::load_or_create(&dir).is_err());
}

#[test]
fn the_newest_key_signs_and_an_older_one_still_verifies() {
    let home = tempfile::tempdir().unwrap();
    let old = Keys::load_or_create(home.path()).unwrap();
    let token = old.sign(&grant()).unwrap();
    // As `openssl genpkey -algorithm ed25519` writes it.
    put_key(home.path(), "key-00000002.pem", OPENSSL.as_bytes());
    let keys = Arc::new(Keys::load(home.path()).unwrap());
    let kids: Vec<_> = keys.public_keys().map(|key| key.kid.clone()).collect();
    assert_eq!(kids.len(), 2);
    let verifier = Verifier::new(Arc::clone(&keys));
    let kid = |token: &str| {
        verifier
            .verify(token, &EXPECTED, NOW_MS)
            .unwrap()
            .kid
            .clone()
    };
    assert_eq!(kid(&token), kids[0]);
    assert_eq!(kid(&keys.sign(&grant()).unwrap()), kids[1]);
}

#[test]
fn a_key_file_that_is_not_one_is_refused_by_name_and_without_its_content() {
    let malformed = "is not an Ed25519 key in PKCS8 PEM form";
    let cases: [&[u8]; 5] = [
        b"",
        b"half",
        &[0xff; 9],
        &OPENSSL.as_bytes()[..60],
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ];
    for content in cases {
        assert_eq!(why(content, 0o600), malformed);
    }
    assert_eq!(why(&[b'a'; 4_097], 0o600), "is too long");
    let open = "is open to others than its owner; its mode must be 0600";
    for mode in [0o640, 0o604, 0o620, 0o666] {
        assert_eq!(why(OPENSSL.as_bytes(), mode), open);
    }
}

#[test]
fn a_folder_or_an_issuer_that_others_write_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("keys");
    Keys::load_or_create(&dir).unwrap();
    set_mode(&dir.join("issuer"), 0o622);
    assert!(Keys::load(&dir).is_err());
    set_mode(&dir.join("issuer"), 0o600);
    set_mode(&dir, 0o722);
    assert!(Keys::load(&dir).is_err());
    set_mode(&dir, 0o700);
    assert!(Keys::load(&dir).is_ok());
    fs::write(dir.join("issuer"), "two\nlines\n").unwrap();
    assert!(Keys::load(&dir).is_err());
    fs::remove_file(dir.join("key-00000001.pem")).unwrap();
    fs::create_dir(dir.join("key-00000001.pem")).unwrap();
    assert!(Keys::load(&dir).is_err());
}
