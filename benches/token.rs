//! What verifying a token costs, remembered and not, over the floor of one strict Ed25519 verification.
//!
//! Workload: one token of ordinary size. Unit: nanoseconds a call, the best of five rounds.
//! Run with `cargo bench --no-default-features --bench token`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use ed25519_dalek::{Signer as _, SigningKey};
use solon::model::{Incarnation, SubjectId};
use solon::token::{Expected, Grant, Keys, TokenId, Verifier};

const ROUNDS: u32 = 5;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn nanoseconds(calls: u32, mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    best
}

fn main() {
    let seed = [9; 32];
    let keys = Arc::new(Keys::ephemeral(&seed).unwrap());
    let expected = Expected {
        audience: "local/default",
        incarnation: Incarnation([3; 16]),
    };
    let grant = Grant {
        subject: SubjectId::from_raw(6 << 44).unwrap(),
        audience: expected.audience,
        incarnation: expected.incarnation,
        issued_at_s: 1_800_000_000,
        lifetime_seconds: Some(3_600),
        id: TokenId::new("0123456789abcdefghijkl").unwrap(),
    };
    let token = keys.sign(&grant).unwrap();
    let now_ms = 1_800_000_001_000;
    let verifier = Verifier::new(Arc::clone(&keys));

    let raw = SigningKey::from_bytes(&seed);
    let message = &token.as_bytes()[..token.rfind('.').unwrap()];
    let (public, signature) = (raw.verifying_key(), raw.sign(message));
    let floor = nanoseconds(2_000, || {
        public
            .verify_strict(black_box(message), &signature)
            .unwrap();
    });
    let miss = nanoseconds(2_000, || {
        verifier.forget();
        black_box(
            verifier
                .verify(black_box(&token), &expected, now_ms)
                .unwrap(),
        );
    });
    let hit = nanoseconds(200_000, || {
        black_box(
            verifier
                .verify(black_box(&token), &expected, now_ms)
                .unwrap(),
        );
    });
    let sign = nanoseconds(2_000, || {
        black_box(keys.sign(black_box(&grant)).unwrap());
    });
    println!("token: {} bytes", token.len());
    println!("verify_strict, the floor  {floor:9.0} ns  1.000");
    println!(
        "verify, not remembered    {miss:9.0} ns  {:.3}",
        miss / floor
    );
    println!("verify, remembered        {hit:9.0} ns  {:.5}", hit / floor);
    println!(
        "sign                      {sign:9.0} ns  {:.3}",
        sign / floor
    );
}
