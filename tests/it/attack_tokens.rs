//! Tokens that somebody forged: each is refused by the check that is meant for it, and over HTTP all look the same.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use solon::base::limits::TOKEN_BYTES_MAX;
use solon::model::{Incarnation, SubjectId};
use solon::token::{Error, Expected, Grant, Keys, TokenId, Verifier};

const SEED: [u8; 32] = [42; 32];
const THIEF: [u8; 32] = [66; 32];
const NOW_S: i64 = 1_800_000_000;
const LIFE: Incarnation = Incarnation([0xab; 16]);
const EXPECTED: Expected<'_> = Expected {
    audience: "local/default",
    incarnation: LIFE,
};

fn keys() -> Keys {
    Keys::ephemeral(&SEED).unwrap()
}

fn token() -> String {
    let grant = Grant {
        subject: SubjectId::from_raw((6 << 44) | 7).unwrap(),
        audience: "local/default",
        incarnation: LIFE,
        issued_at_s: NOW_S,
        lifetime_seconds: Some(60),
        id: TokenId::new("record-1").unwrap(),
    };
    keys().sign(&grant).unwrap()
}

fn verify(token: &str) -> Error {
    let verifier = Verifier::new(Arc::new(keys()));
    let proved = verifier.verify(token, &EXPECTED, NOW_S * 1_000);
    assert_eq!(verifier.remembered(), 0);
    proved.map(drop).unwrap_err()
}

/// The header and the claims of a good token.
fn parts() -> (Value, Value) {
    let token = token();
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

fn message(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", part(header), part(claims))
}

fn signed_by(seed: &[u8; 32], header: &str, claims: &str) -> String {
    let message = message(header, claims);
    let signature = SigningKey::from_bytes(seed).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn with(mut value: Value, name: &str, to: Value) -> String {
    value[name] = to;
    value.to_string()
}

fn public() -> [u8; 32] {
    SigningKey::from_bytes(&SEED).verifying_key().to_bytes()
}

/// The public key as PEM, as its owner may have published it.
fn pem() -> String {
    let der = [
        &[
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ][..],
        &public(),
    ];
    let body = STANDARD.encode(der.concat());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn a_token_without_a_signature_is_refused_however_none_is_spelled() {
    let (header, claims) = parts();
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = with(header.clone(), "alg", json!(none));
        let message = message(&header, &claims.to_string());
        let signature = token().rsplit_once('.').unwrap().1.to_owned();
        for signature in ["", signature.as_str()] {
            assert_eq!(verify(&format!("{message}.{signature}")), Error::Algorithm);
        }
        assert_eq!(verify(&message), Error::Malformed);
    }
    for alg in [
        json!(null),
        json!(["none"]),
        json!(["EdDSA"]),
        json!(0),
        json!({}),
    ] {
        let header = with(header.clone(), "alg", alg.clone());
        assert_eq!(
            verify(&signed_by(&SEED, &header, &claims.to_string())),
            Error::Malformed,
            "{alg}"
        );
    }
}

#[test]
fn the_public_key_in_any_spelling_is_no_secret_of_hs256() {
    let (header, claims) = parts();
    let x = URL_SAFE_NO_PAD.encode(public());
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let secrets: [Vec<u8>; 7] = [
        public().to_vec(),
        x.into_bytes(),
        STANDARD.encode(public()).into_bytes(),
        pem().into_bytes(),
        pem().trim_end().as_bytes().to_vec(),
        jwk.into_bytes(),
        Vec::new(),
    ];
    for alg in ["HS256", "HS384", "HS512"] {
        let header = with(header.clone(), "alg", json!(alg));
        let message = message(&header, &claims.to_string());
        for secret in &secrets {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
            mac.update(message.as_bytes());
            let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
            assert_eq!(verify(&format!("{message}.{mac}")), Error::Algorithm);
        }
    }
}

#[test]
fn a_kid_is_looked_up_and_never_followed() {
    let (header, claims) = parts();
    let claims = claims.to_string();
    let thief = Keys::ephemeral(&THIEF).unwrap();
    let thief = thief.public_keys().next().unwrap().kid.clone();
    let own = header["kid"].as_str().unwrap().to_owned();
    for kid in [
        String::new(),
        "../keys/key-00000001.pem".to_owned(),
        "/dev/null".to_owned(),
        "file:///dev/null".to_owned(),
        "https://thief.example/jwks.json".to_owned(),
        "' OR 1=1 --".to_owned(),
        "*".to_owned(),
        "0".to_owned(),
        own.to_lowercase(),
        format!("{own} "),
        format!("{own}\0"),
        own[..42].to_owned(),
        "k".repeat(2_000),
        thief,
    ] {
        let header = with(header.clone(), "kid", json!(kid));
        for seed in [&SEED, &THIEF] {
            assert_eq!(
                verify(&signed_by(seed, &header, &claims)),
                Error::UnknownKey,
                "{kid}"
            );
        }
    }
    for kid in [json!([own]), json!([]), json!({}), json!(0), json!(true)] {
        let header = with(header.clone(), "kid", kid.clone());
        assert_eq!(
            verify(&signed_by(&SEED, &header, &claims)),
            Error::Malformed,
            "{kid}"
        );
    }
    let header_null = with(header.clone(), "kid", Value::Null);
    assert_eq!(
        verify(&signed_by(&SEED, &header_null, &claims)),
        Error::UnknownKey
    );
    // Another key's signature under the right id.
    let stolen = signed_by(&THIEF, &header.to_string(), &claims);
    assert_eq!(verify(&stolen), Error::Signature);
    // Twice there: which one counts would be for a reader to choose.
    let twice = header.to_string().replacen('{', r#"{"kid":"k","#, 1);
    assert_eq!(verify(&signed_by(&SEED, &twice, &claims)), Error::Malformed);
}

#[test]
fn a_header_brings_no_key_of_its_own() {
    let (header, claims) = parts();
    let x = SigningKey::from_bytes(&THIEF).verifying_key().to_bytes();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x)});
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://thief.example/jwks.json")),
        ("x5u", json!("https://thief.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("abc")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        let header = with(header.clone(), name, value);
        for seed in [&SEED, &THIEF] {
            let refused = verify(&signed_by(seed, &header, &claims.to_string()));
            assert!(
                matches!(refused, Error::Header | Error::Malformed),
                "{name}: {refused}"
            );
        }
    }
}

#[test]
fn claims_that_another_signed_or_that_stand_twice_are_refused() {
    let (header, claims) = parts();
    let header = header.to_string();
    for (name, to) in [
        ("sub", json!("0")),
        ("aud", json!("local/other")),
        ("iss", json!("https://thief.example")),
        ("exp", json!(NOW_S + 1_000_000)),
        ("jti", json!(format!("{LIFE}.record-2"))),
    ] {
        let changed = with(claims.clone(), name, to.clone());
        let signature = token().rsplit_once('.').unwrap().1.to_owned();
        let tampered = format!("{}.{signature}", message(&header, &changed));
        assert_eq!(verify(&tampered), Error::Signature, "{name}");
        let stolen = signed_by(&THIEF, &header, &changed);
        assert_eq!(verify(&stolen), Error::Signature, "{name}");
        for twice in [
            claims
                .to_string()
                .replacen('{', &format!(r#"{{"{name}":{to},"#), 1),
            claims
                .to_string()
                .replacen('}', &format!(r#","{name}":{to}}}"#), 1),
        ] {
            assert_eq!(
                verify(&signed_by(&SEED, &header, &twice)),
                Error::Claims,
                "{name}"
            );
        }
    }
}

#[test]
fn a_token_of_the_most_bytes_costs_a_look_and_one_more_byte_none() {
    let (header, claims) = parts();
    let long = |bytes| {
        with(
            claims.clone(),
            "jti",
            json!(format!("{LIFE}.{}", "a".repeat(bytes))),
        )
    };
    let of = |bytes| signed_by(&SEED, &header.to_string(), &long(bytes));
    let refused = verify(&of(65));
    assert_eq!(refused, Error::Claims);
    let token = of(3_000);
    assert!(token.len() > TOKEN_BYTES_MAX);
    let max = TOKEN_BYTES_MAX;
    assert_eq!(verify(&token), Error::TooLong { max });
}

#[test]
fn opaque_tokens_and_other_texts_are_no_access_tokens() {
    let api = solon::token::ApiToken::generate(LIFE).unwrap();
    let family = TokenId::random().unwrap();
    let refresh = keys().refresh_token(LIFE, &family, 0).unwrap();
    for text in [
        api.text(),
        refresh.text(),
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.e30",
    ] {
        let refused = verify(text);
        assert!(
            matches!(refused, Error::Malformed | Error::Algorithm),
            "{text}: {refused}"
        );
    }
    // JSON serialization of a JWS, and nested ones.
    let token = token();
    let mut parts = token.split('.');
    let json = json!({"payload": parts.nth(1), "protected": "e30", "signature": "e30"});
    assert_eq!(verify(&json.to_string()), Error::Malformed);
    assert_eq!(verify(&format!("{token}.{token}")), Error::Malformed);
    assert_eq!(verify(&format!("{token}..")), Error::Malformed);
    // A JWS of five parts is a JWE.
    assert_eq!(verify("e30.e30.e30.e30.e30"), Error::Malformed);
}
