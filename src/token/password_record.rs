//! The record of a password: which function was run, at what cost, with what salt, and what came of it.
//!
//! A record may come from anywhere, so its numbers are bounded before anything is computed: no record makes a check
//! cost seconds or gigabytes. A record has one spelling, that of the program that wrote it.
//!
//! Shapes:
//! ```text
//! $argon2id$v=19$m=KIB,t=PASSES,p=LANES$SALT$HASH      PHC, base64 without padding
//! $scrypt$ln=LOG2N,r=R,p=P$SALT$HASH                    PHC, base64 without padding
//! $2a$ $2b$ $2y$ COST$SALTHASH                          bcrypt
//! $pbkdf2-sha256$i=ROUNDS,l=HASHBYTES$SALT$HASH         PHC, base64 without padding
//! $pbkdf2-sha256$ROUNDS$SALT$HASH                       passlib: base64 with `.` for `+`, without padding
//! pbkdf2_sha256$ROUNDS$SALT$HASH                        Django: the salt is its own text, base64 with padding
//! ```

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};
use base64::{Engine as _, alphabet::Alphabet};

use super::error::Error;
use crate::base::limits::{
    PASSWORD_BCRYPT_COST_MAX, PASSWORD_HASH_BYTES_MAX, PASSWORD_HASH_BYTES_MIN, PASSWORD_LANES_MAX,
    PASSWORD_MEMORY_KIB_MAX, PASSWORD_RECORD_BYTES_MAX, PASSWORD_ROUNDS_MAX,
    PASSWORD_SALT_BYTES_MAX, PASSWORD_WORK_KIB_MAX,
};

/// The function of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// Argon2id (RFC 9106), version 19: what is written here.
    Argon2id,
    /// scrypt (RFC 7914).
    Scrypt,
    /// bcrypt.
    Bcrypt,
    /// PBKDF2 with HMAC-SHA-256 (RFC 8018).
    Pbkdf2Sha256,
}

/// A record that was read, with numbers that can be afforded.
pub(super) struct Record {
    pub(super) function: Function,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// The function and what it costs.
#[derive(Clone, Copy)]
pub(super) enum Function {
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
    },
    Bcrypt {
        cost: u32,
    },
    Pbkdf2Sha256 {
        rounds: u32,
    },
}

/// Bytes of PBKDF2's output that one run of its rounds makes.
const PBKDF2_BLOCK_BYTES: usize = 32;

/// The fewest bytes of salt that argon2 takes.
const ARGON2_SALT_BYTES_MIN: usize = 8;

/// passlib's base64.
const PASSLIB: GeneralPurpose = {
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => GeneralPurpose::new(&alphabet, NO_PAD),
        // Never: the letters are above. Standard base64 refuses `.`, and so every such record.
        Err(_) => STANDARD_NO_PAD,
    }
};

/// bcrypt's base64. Some programs leave chance in the four bits that a salt's last letter has to spare.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// `PasswordRecord` if it is none of the shapes, or costs more than a check may.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > PASSWORD_RECORD_BYTES_MAX {
            return Err(Error::PasswordRecord("is too long"));
        }
        let parts: Vec<&str> = text.split('$').collect();
        let record = match parts.as_slice() {
            ["", "argon2id", "v=19", costs, salt, hash] => argon2id(costs, salt, hash),
            ["", "scrypt", costs, salt, hash] => scrypt(costs, salt, hash),
            ["", "2a" | "2b" | "2y", cost, rest] => bcrypt(cost, rest),
            ["", "pbkdf2-sha256", costs, salt, hash] => pbkdf2(costs, salt, hash),
            ["pbkdf2_sha256", rounds, salt, hash] => django(rounds, salt, hash),
            _ => None,
        };
        let record = record.ok_or(Error::PasswordRecord("is of no form that is known"))?;
        record.check()?;
        Ok(record)
    }

    /// Which function it is.
    pub(super) const fn scheme(&self) -> PasswordScheme {
        match self.function {
            Function::Argon2id { .. } => PasswordScheme::Argon2id,
            Function::Scrypt { .. } => PasswordScheme::Scrypt,
            Function::Bcrypt { .. } => PasswordScheme::Bcrypt,
            Function::Pbkdf2Sha256 { .. } => PasswordScheme::Pbkdf2Sha256,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let salt_min = match self.function {
            Function::Argon2id { .. } => ARGON2_SALT_BYTES_MIN,
            _ => 1,
        };
        if !(salt_min..=PASSWORD_SALT_BYTES_MAX).contains(&self.salt.len()) {
            return Err(Error::PasswordRecord("has too short or too long a salt"));
        }
        if !(PASSWORD_HASH_BYTES_MIN..=PASSWORD_HASH_BYTES_MAX).contains(&self.hash.len()) {
            return Err(Error::PasswordRecord("has too short or too long a hash"));
        }
        if !self.function.is_possible() {
            return Err(Error::PasswordRecord("has a cost that cannot be"));
        }
        if !self.function.is_affordable(self.hash.len()) {
            return Err(Error::PasswordRecord("costs more than a check may"));
        }
        Ok(())
    }
}

impl Function {
    /// Whether the function is defined for these numbers.
    pub(super) fn is_possible(self) -> bool {
        match self {
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => passes >= 1 && lanes >= 1 && u64::from(memory_kib) >= 8 * u64::from(lanes),
            Self::Scrypt { log_n, r, p } => log_n >= 1 && r >= 1 && p >= 1,
            Self::Bcrypt { cost } => cost >= 4,
            Self::Pbkdf2Sha256 { rounds } => rounds >= 1,
        }
    }

    /// Whether a check at this cost takes no more memory and time than one may.
    pub(super) fn is_affordable(self, hash_bytes: usize) -> bool {
        let memory_max = u64::from(PASSWORD_MEMORY_KIB_MAX);
        let work_max = u64::from(PASSWORD_WORK_KIB_MAX);
        match self {
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let memory = u64::from(memory_kib);
                lanes <= PASSWORD_LANES_MAX
                    && memory <= memory_max
                    && memory.saturating_mul(u64::from(passes)) <= work_max
            }
            Self::Scrypt { log_n, r, p } => {
                // 128 bytes times N times r, in KiB, and a row of 128 times r for each lane.
                let (r, p) = (u64::from(r), u64::from(p));
                let n = 1_u64.checked_shl(u32::from(log_n)).unwrap_or(u64::MAX);
                let memory = n.saturating_mul(r).div_ceil(8);
                let lanes = r.saturating_mul(p).div_ceil(8);
                // It is written once and read once.
                let work = memory.saturating_mul(p).saturating_mul(2);
                memory <= memory_max && lanes <= memory_max && work <= work_max
            }
            Self::Bcrypt { cost } => cost <= PASSWORD_BCRYPT_COST_MAX,
            Self::Pbkdf2Sha256 { rounds } => {
                let blocks = u64::try_from(hash_bytes.div_ceil(PBKDF2_BLOCK_BYTES));
                let runs = u64::from(rounds).saturating_mul(blocks.unwrap_or(u64::MAX));
                runs <= u64::from(PASSWORD_ROUNDS_MAX)
            }
        }
    }
}

fn argon2id(costs: &str, salt: &str, hash: &str) -> Option<Record> {
    let [memory_kib, passes, lanes] = named(costs, ["m=", "t=", "p="])?;
    let function = Function::Argon2id {
        memory_kib,
        passes,
        lanes,
    };
    record(function, &STANDARD_NO_PAD, salt, hash)
}

fn scrypt(costs: &str, salt: &str, hash: &str) -> Option<Record> {
    let [log_n, r, p] = named(costs, ["ln=", "r=", "p="])?;
    let log_n = u8::try_from(log_n).ok()?;
    record(
        Function::Scrypt { log_n, r, p },
        &STANDARD_NO_PAD,
        salt,
        hash,
    )
}

fn bcrypt(cost: &str, rest: &str) -> Option<Record> {
    let plain = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let cost = plain.then(|| cost.parse().ok()).flatten()?;
    if rest.len() != 53 {
        return None;
    }
    let (salt, hash) = rest.split_at_checked(22)?;
    record(Function::Bcrypt { cost }, &BCRYPT, salt, hash)
}

fn pbkdf2(costs: &str, salt: &str, hash: &str) -> Option<Record> {
    if let Some(rounds) = number(costs) {
        return record(Function::Pbkdf2Sha256 { rounds }, &PASSLIB, salt, hash);
    }
    let [rounds, hash_bytes] = named(costs, ["i=", "l="])?;
    let record = record(
        Function::Pbkdf2Sha256 { rounds },
        &STANDARD_NO_PAD,
        salt,
        hash,
    )?;
    (u32::try_from(record.hash.len()) == Ok(hash_bytes)).then_some(record)
}

fn django(rounds: &str, salt: &str, hash: &str) -> Option<Record> {
    let rounds = number(rounds)?;
    if !salt.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    Some(Record {
        function: Function::Pbkdf2Sha256 { rounds },
        salt: salt.as_bytes().to_vec(),
        hash: STANDARD.decode(hash).ok()?,
    })
}

fn record(function: Function, base64: &GeneralPurpose, salt: &str, hash: &str) -> Option<Record> {
    Some(Record {
        function,
        salt: base64.decode(salt).ok()?,
        hash: base64.decode(hash).ok()?,
    })
}

/// Numbers with these names before them, in this order, with commas between.
fn named<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(',');
    for (place, name) in numbers.iter_mut().zip(names) {
        *place = number(parts.next()?.strip_prefix(name)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// A number in its one spelling.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "these texts are ASCII")]
mod tests {
    use super::*;

    const SALT: &str = "c2FsdHNhbHRzYWx0c2FsdA";
    const HASH: &str = "31ltvuXrbs8POP2F4tw9851NSNQCQpm0sCwu2eEvId8";
    const BCRYPT_REST: &str = "abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";

    fn why(text: &str) -> &'static str {
        match Record::parse(text) {
            Ok(_) => "",
            Err(Error::PasswordRecord(why)) => why,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_in_any_other_form_is_refused() {
        for text in [
            String::new(),
            "$".to_owned(),
            "plain".to_owned(),
            format!("$argon2id$m=64,t=1,p=1${SALT}${HASH}"),
            format!("$argon2id$v=16$m=64,t=1,p=1${SALT}${HASH}"),
            format!("$argon2i$v=19$m=64,t=1,p=1${SALT}${HASH}"),
            format!("$argon2d$v=19$m=64,t=1,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$t=1,m=64,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=64,t=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=64,t=1,p=1,keyid=AA${SALT}${HASH}"),
            format!("$argon2id$v=19$m=064,t=1,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=+64,t=1,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=4294967296,t=1,p=1${SALT}${HASH}"),
            format!("$argon2id$v=19$m=64,t=1,p=1${SALT}=${HASH}"),
            format!("$argon2id$v=19$m=64,t=1,p=1${SALT}${HASH}="),
            format!("$argon2id$v=19$m=64,t=1,p=1${SALT}${HASH}$"),
            format!("$argon2id$v=19$m=64,t=1,p=1${SALT}"),
            format!("$scrypt$ln=256,r=8,p=1${SALT}${HASH}"),
            format!("$scrypt$n=4,r=8,p=1${SALT}${HASH}"),
            format!("$pbkdf2-sha256$i=10,l=31${SALT}${HASH}"),
            format!("$pbkdf2-sha256$i=10${SALT}${HASH}"),
            format!("$pbkdf2-sha512$10${SALT}${HASH}"),
            format!("$pbkdf2-sha256$10${SALT}${}", HASH.replacen('X', "+", 1)),
            format!("pbkdf2_sha256$10$sa lt${HASH}="),
            format!("pbkdf2_sha256$10$salt${HASH}"),
            format!("$2x$04${BCRYPT_REST}"),
            format!("$2$04${BCRYPT_REST}"),
            format!("$2b$4${BCRYPT_REST}"),
            format!("$2b$+4${BCRYPT_REST}"),
            format!("$2b$04${BCRYPT_REST}a"),
            format!("$2b$04${}", &BCRYPT_REST[1..]),
            format!("$2b$04${}é", &BCRYPT_REST[2..]),
            // `é` across the border of salt and hash.
            format!("$2b$04${}é{}", &BCRYPT_REST[..21], &BCRYPT_REST[23..]),
        ] {
            assert_eq!(why(&text), "is of no form that is known", "{text}");
        }
    }

    #[test]
    fn a_cost_is_taken_at_its_edge_and_refused_one_past_it() {
        let dear = "costs more than a check may";
        let never = "has a cost that cannot be";
        let argon2 = |costs: &str| why(&format!("$argon2id$v=19${costs}${SALT}${HASH}"));
        assert_eq!(argon2("m=131072,t=4,p=1"), "");
        assert_eq!(argon2("m=131072,t=5,p=1"), dear);
        assert_eq!(argon2("m=131073,t=1,p=1"), dear);
        assert_eq!(argon2("m=4294967295,t=4294967295,p=1"), dear);
        assert_eq!(argon2("m=128,t=1,p=16"), "");
        assert_eq!(argon2("m=136,t=1,p=17"), dear);
        assert_eq!(argon2("m=8,t=1,p=1"), "");
        assert_eq!(argon2("m=7,t=1,p=1"), never);
        assert_eq!(argon2("m=64,t=0,p=1"), never);
        assert_eq!(argon2("m=64,t=1,p=0"), never);
        let scrypt = |costs: &str| why(&format!("$scrypt${costs}${SALT}${HASH}"));
        assert_eq!(scrypt("ln=17,r=8,p=1"), "");
        assert_eq!(scrypt("ln=17,r=8,p=2"), "");
        assert_eq!(scrypt("ln=17,r=8,p=3"), dear);
        assert_eq!(scrypt("ln=17,r=9,p=1"), dear);
        assert_eq!(scrypt("ln=18,r=8,p=1"), dear);
        assert_eq!(scrypt("ln=63,r=1,p=1"), dear);
        assert_eq!(scrypt("ln=255,r=4294967295,p=4294967295"), dear);
        assert_eq!(scrypt("ln=1,r=1,p=4294967295"), dear);
        assert_eq!(scrypt("ln=0,r=8,p=1"), never);
        assert_eq!(scrypt("ln=4,r=0,p=1"), never);
        assert_eq!(scrypt("ln=4,r=8,p=0"), never);
        assert_eq!(why(&format!("$2b$14${BCRYPT_REST}")), "");
        assert_eq!(why(&format!("$2b$15${BCRYPT_REST}")), dear);
        assert_eq!(why(&format!("$2b$99${BCRYPT_REST}")), dear);
        assert_eq!(why(&format!("$2b$04${BCRYPT_REST}")), "");
        assert_eq!(why(&format!("$2b$03${BCRYPT_REST}")), never);
        let pbkdf2 = |rounds: &str| why(&format!("$pbkdf2-sha256${rounds}${SALT}${HASH}"));
        assert_eq!(pbkdf2("1"), "");
        assert_eq!(pbkdf2("0"), never);
        assert_eq!(pbkdf2("2000000"), "");
        assert_eq!(pbkdf2("2000001"), dear);
        // Two blocks of hash cost twice the rounds.
        let hash = STANDARD_NO_PAD.encode([7; 33]);
        let two = |rounds: u32| why(&format!("$pbkdf2-sha256$i={rounds},l=33${SALT}${hash}"));
        assert_eq!(two(1_000_000), "");
        assert_eq!(two(1_000_001), dear);
    }

    #[test]
    fn salts_hashes_and_whole_records_have_bounds() {
        let of = |salt: usize, hash: usize| {
            let salt = STANDARD_NO_PAD.encode(vec![7; salt]);
            let hash = STANDARD_NO_PAD.encode(vec![7; hash]);
            (
                why(&format!("$argon2id$v=19$m=64,t=1,p=1${salt}${hash}")),
                why(&format!("$scrypt$ln=4,r=8,p=1${salt}${hash}")),
            )
        };
        let salt = "has too short or too long a salt";
        let hash = "has too short or too long a hash";
        assert_eq!(of(8, 32), ("", ""));
        assert_eq!(of(7, 32), (salt, ""));
        assert_eq!(of(1, 32), (salt, ""));
        assert_eq!(of(0, 32), (salt, salt));
        assert_eq!(of(64, 32), ("", ""));
        assert_eq!(of(65, 32), (salt, salt));
        assert_eq!(of(16, 16), ("", ""));
        assert_eq!(of(16, 15), (hash, hash));
        assert_eq!(of(16, 0), (hash, hash));
        assert_eq!(of(16, 64), ("", ""));
        assert_eq!(of(16, 65), (hash, hash));
        assert_eq!(why(&"$".repeat(512)), "is of no form that is known");
        assert_eq!(why(&"$".repeat(513)), "is too long");
    }
}
