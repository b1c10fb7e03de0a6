//! Passwords: hashed with argon2id, and checked against records of other programs too.
//!
//! 1. A check of a name that has no record does the work of one that has, and says no.
//! 2. A password that is empty or longer than `PASSWORD_BYTES_MAX` is never right, at the same price.
//! 3. Hashes are compared in constant time. What was computed is wiped.
//! 4. No error tells a record or a password.
//!
//! bcrypt sees the first 72 bytes of a password and nothing after them; so does every program that wrote such a
//! record. Here a longer one is right if those are, but its record is kept as it is: what stands after them is not
//! proven, and would be if it were hashed anew. bcrypt ends a password at its first NUL; here one that holds a NUL is
//! never right by such a record, as else `a` and `a\0b` were the same.
//!
//! How long a check takes tells what kind of record a name has, where records were imported; the first sign-in
//! replaces each with one of our own.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::error::Error;
use super::password_record::{Function, PasswordScheme, Record};
use crate::base::limits::{PASSWORD_BYTES_MAX, PASSWORD_RECORD_BYTES_MAX};

/// Bytes of salt, and of hash, in a record that is written here.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The bytes of a password that bcrypt sees.
const BCRYPT_BYTES: usize = 72;

/// What a new record costs to make and to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; they are computed one after the other.
    pub lanes: u32,
}

impl Default for PasswordCost {
    /// OWASP's least for argon2id: 19 MiB and two passes, some hundredths of a second.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// Whether a password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is, and its record is of another function or a lower cost than new ones: hash it anew.
    YesButUpgrade,
}

/// A new record of a password.
///
/// How long a password must be is for whoever sets it to say: one that was right by an older record is hashed anew
/// however short it is.
///
/// # Errors
/// `Password` if it is empty or longer than any may be, `PasswordCost` if the cost is none that can be, `Random`.
pub fn hash_password(password: &str, cost: &PasswordCost) -> Result<String, Error> {
    if !is_possible(password) {
        return Err(Error::Password {
            max: PASSWORD_BYTES_MAX,
        });
    }
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| Error::Random)?;
    let hash = cost.run(password.as_bytes(), &salt)?;
    let PasswordCost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    let salt = STANDARD_NO_PAD.encode(salt);
    let hash = STANDARD_NO_PAD.encode(&*hash);
    let costs = format!("m={memory_kib},t={passes},p={lanes}");
    Ok(format!("$argon2id$v=19${costs}${salt}${hash}"))
}

/// Whether this is the password of this record; without a record, it is not, at the price of a new one.
///
/// # Errors
/// `PasswordRecord` if the record cannot be read, at the price of a new one; `PasswordCost`.
pub fn check_password(
    password: &str,
    record: Option<&str>,
    cost: &PasswordCost,
) -> Result<PasswordCheck, Error> {
    let possible = is_possible(password);
    // The same work, on a password that is not too much of it.
    let bytes = password.as_bytes();
    let bytes = bytes.get(..PASSWORD_BYTES_MAX).unwrap_or(bytes);
    let record = match record.map(Record::parse) {
        Some(Ok(record)) => record,
        Some(Err(error)) => {
            cost.run(bytes, &[0; SALT_BYTES])?;
            return Err(error);
        }
        None => {
            cost.run(bytes, &[0; SALT_BYTES])?;
            return Ok(PasswordCheck::No);
        }
    };
    let hash = record.run(bytes)?;
    let same = bool::from(hash.as_slice().ct_eq(&record.hash));
    Ok(match record.function {
        _ if !same || !possible => PasswordCheck::No,
        Function::Bcrypt { .. } if bytes.contains(&0) => PasswordCheck::No,
        Function::Bcrypt { .. } if bytes.len() > BCRYPT_BYTES => PasswordCheck::Yes,
        _ if record.is_weaker_than(cost) => PasswordCheck::YesButUpgrade,
        _ => PasswordCheck::Yes,
    })
}

/// The function of a record, if it is one that a password can be checked by.
///
/// # Errors
/// `PasswordRecord` if it cannot be read, or costs more than a check may.
pub fn password_scheme(record: &str) -> Result<PasswordScheme, Error> {
    Record::parse(record).map(|record| record.scheme())
}

fn is_possible(password: &str) -> bool {
    (1..=PASSWORD_BYTES_MAX).contains(&password.len())
}

impl PasswordCost {
    fn run(&self, password: &[u8], salt: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let function = Function::Argon2id {
            memory_kib: self.memory_kib,
            passes: self.passes,
            lanes: self.lanes,
        };
        if !function.is_possible() || !function.is_affordable(HASH_BYTES) {
            return Err(Error::PasswordCost);
        }
        function.run(password, salt, HASH_BYTES)
    }
}

impl Record {
    fn run(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.function.run(password, &self.salt, self.hash.len())
    }

    fn is_weaker_than(&self, cost: &PasswordCost) -> bool {
        let Function::Argon2id {
            memory_kib, passes, ..
        } = self.function
        else {
            return true;
        };
        let work = |memory: u32, passes: u32| u64::from(memory).saturating_mul(u64::from(passes));
        work(memory_kib, passes) < work(cost.memory_kib, cost.passes)
            || self.salt.len() < SALT_BYTES
            || self.hash.len() < HASH_BYTES
    }
}

impl Function {
    /// The hash of a password, of as many bytes as are asked for.
    fn run(self, password: &[u8], salt: &[u8], bytes: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut hash = Zeroizing::new(vec![0; bytes]);
        match self {
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let params = Params::new(memory_kib, passes, lanes, Some(bytes));
                let params = params.map_err(|_| Error::PasswordCost)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, salt, &mut hash)
                    .map_err(|_| Error::PasswordCost)?;
            }
            Self::Scrypt { log_n, r, p } => {
                let params = scrypt::Params::new(log_n, r, p).map_err(|_| Error::PasswordCost)?;
                scrypt::scrypt(password, salt, &params, &mut hash)
                    .map_err(|_| Error::PasswordCost)?;
            }
            Self::Bcrypt { cost } => {
                let salt = salt.try_into().map_err(|_| Error::PasswordCost)?;
                // Ended by a NUL, if there is room for it; cut where there is none.
                let mut seen: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::with_capacity(BCRYPT_BYTES));
                seen.extend(password.iter().chain([&0]).take(BCRYPT_BYTES));
                let made = Zeroizing::new(bcrypt::bcrypt(cost, salt, &seen));
                // Records have one byte less than the function gives.
                hash.iter_mut().zip(*made).for_each(|(to, from)| *to = from);
            }
            Self::Pbkdf2Sha256 { rounds } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut hash);
            }
        }
        Ok(hash)
    }
}

const _: () = assert!(PASSWORD_RECORD_BYTES_MAX >= 512);

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    /// Cheap, so that tests are quick.
    const COST: PasswordCost = PasswordCost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    /// By argon2-cffi, Python's hashlib, passlib, Django and bcrypt.
    const VECTORS: [(&str, PasswordScheme); 12] = [
        (
            "$argon2id$v=19$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$RC5JY/00hXKlnXZ/+PCVcJg84nuCQwbjIQ3DVCTomOQ",
            PasswordScheme::Argon2id,
        ),
        (
            "$argon2id$v=19$m=512,t=3,p=4$c29tZXNhbHQ$Ind8t2P6gNXmVxuZxxXz8A",
            PasswordScheme::Argon2id,
        ),
        (
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$QKHrg5tayLGcN+Y0HVPNaBqykOVLUxlMkZycXE1uWRM",
            PasswordScheme::Argon2id,
        ),
        (
            "$scrypt$ln=10,r=8,p=2$TmFDbE5hQ2xOYUNs$BaDpN0yTm1dBlPxOZOJYWR+zireiylQ/7GEHOUJAcsw",
            PasswordScheme::Scrypt,
        ),
        (
            "$scrypt$ln=8,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$zsALpsN0ItlCA5wf30wttK9zWaFIhGiJbEtlz5xt1oU",
            PasswordScheme::Scrypt,
        ),
        (
            "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$31ltvuXrbs8POP2F4tw9851NSNQCQpm0sCwu2eEvId8",
            PasswordScheme::Pbkdf2Sha256,
        ),
        (
            "$pbkdf2-sha256$i=3,l=64$c2FsdHNhbHRzYWx0c2FsdA$F9g+As+hwvC8zvEMbUpPSyXhrGFJo8LlaKi3HyKd2B4nRC+ROY6G/5Lue+du/zK7zA59MhKvOq+CxhmqeqgUow",
            PasswordScheme::Pbkdf2Sha256,
        ),
        (
            "$pbkdf2-sha256$1000$....MDEyMzQ1Njc4OWFiYw$XRQBAh55XQ09TML2AHRuPoTWahl3FFQio3U.at3jz4g",
            PasswordScheme::Pbkdf2Sha256,
        ),
        (
            "$pbkdf2-sha256$1000$//79MDEyMzQ1Njc4OWFiYw$1xbbNO8gDBGYqE4PYaI5Ny14W4i5/JxIFb4teNdQi4I",
            PasswordScheme::Pbkdf2Sha256,
        ),
        (
            "pbkdf2_sha256$1000$Ab3salt$2RdxJSApM+3PzJL+sLuKHbuSHdCloxXtdzuw1/1qmy4=",
            PasswordScheme::Pbkdf2Sha256,
        ),
        (
            "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
            PasswordScheme::Bcrypt,
        ),
        (
            "$2a$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
            PasswordScheme::Bcrypt,
        ),
    ];

    fn check(password: &str, record: &str) -> Result<PasswordCheck, Error> {
        check_password(password, Some(record), &COST)
    }

    #[test]
    fn records_of_other_programs_verify_and_no_other_password_does() {
        for (record, scheme) in VECTORS {
            assert_eq!(password_scheme(record), Ok(scheme), "{record}");
            let right = check(PASSWORD, record);
            let is_ours = scheme == PasswordScheme::Argon2id;
            // One of them has eight bytes of salt and sixteen of hash.
            if is_ours && !record.contains("m=512") {
                assert_eq!(right, Ok(PasswordCheck::Yes), "{record}");
            } else {
                assert_eq!(right, Ok(PasswordCheck::YesButUpgrade), "{record}");
            }
            for wrong in [
                "",
                "correct horse battery stapl",
                "Correct horse battery staple",
            ] {
                assert_eq!(check(wrong, record), Ok(PasswordCheck::No), "{record}");
            }
        }
    }

    #[test]
    fn a_new_record_verifies_and_each_has_its_own_salt() {
        let record = hash_password(PASSWORD, &COST).unwrap();
        assert!(record.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_eq!(password_scheme(&record), Ok(PasswordScheme::Argon2id));
        assert_eq!(check(PASSWORD, &record), Ok(PasswordCheck::Yes));
        assert_eq!(check("another", &record), Ok(PasswordCheck::No));
        assert_ne!(hash_password(PASSWORD, &COST).unwrap(), record);
        let dearer = PasswordCost { passes: 2, ..COST };
        let upgraded = check_password(PASSWORD, Some(&record), &dearer);
        assert_eq!(upgraded, Ok(PasswordCheck::YesButUpgrade));
        // More memory in fewer passes is no less.
        let record = hash_password(
            PASSWORD,
            &PasswordCost {
                memory_kib: 128,
                ..COST
            },
        )
        .unwrap();
        let kept = check_password(PASSWORD, Some(&record), &dearer);
        assert_eq!(kept, Ok(PasswordCheck::Yes));
    }

    #[test]
    fn without_a_record_no_password_is_right() {
        assert_eq!(check_password(PASSWORD, None, &COST), Ok(PasswordCheck::No));
        assert_eq!(check_password("", None, &COST), Ok(PasswordCheck::No));
    }

    #[test]
    fn an_empty_or_too_long_password_is_none() {
        let max = PASSWORD_BYTES_MAX;
        let longest = "é".repeat(max / 2);
        let record = hash_password(&longest, &COST).unwrap();
        assert_eq!(check(&longest, &record), Ok(PasswordCheck::Yes));
        // Its first bytes are right, and cut within a letter.
        for longer in [format!("{longest}a"), format!("{longest}é")] {
            assert_eq!(check(&longer, &record), Ok(PasswordCheck::No));
            assert_eq!(hash_password(&longer, &COST), Err(Error::Password { max }));
        }
        assert_eq!(hash_password("", &COST), Err(Error::Password { max }));
        // Another program's record of the empty password.
        let empty = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq";
        assert_eq!(check("", empty), Ok(PasswordCheck::No));
    }

    #[test]
    fn bcrypt_sees_72_bytes_and_its_record_is_then_kept() {
        let record = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
        let check = |length| check(&"a".repeat(length), record).unwrap();
        assert_eq!(check(71), PasswordCheck::No);
        assert_eq!(check(72), PasswordCheck::YesButUpgrade);
        assert_eq!(check(73), PasswordCheck::Yes);
        assert_eq!(check(1_024), PasswordCheck::Yes);
        assert_eq!(check(1_025), PasswordCheck::No);
        // PHP's word for the same function.
        let php = record.replacen("2b", "2y", 1);
        assert_eq!(
            check_password(&"a".repeat(72), Some(&php), &COST),
            Ok(PasswordCheck::YesButUpgrade)
        );
    }

    #[test]
    fn a_password_with_a_nul_is_never_right_by_bcrypt() {
        let (record, _) = VECTORS[10];
        for tail in ["\0", "\0b"] {
            let password = format!("{PASSWORD}{tail}");
            assert_eq!(check(&password, record), Ok(PasswordCheck::No));
        }
        assert_eq!(check("\0", record), Ok(PasswordCheck::No));
        let own = hash_password("a\0b", &COST).unwrap();
        assert_eq!(check("a\0b", &own), Ok(PasswordCheck::Yes));
        assert_eq!(check("a", &own), Ok(PasswordCheck::No));
    }

    #[test]
    fn a_bcrypt_salt_may_have_spare_bits() {
        let record = "$2b$04$abcdefghijklmnopqrstuv7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";
        assert_eq!(check(PASSWORD, record), Ok(PasswordCheck::YesButUpgrade));
    }

    #[test]
    fn a_cost_that_cannot_be_is_refused() {
        for cost in [
            PasswordCost {
                memory_kib: 7,
                ..COST
            },
            PasswordCost {
                memory_kib: 128 * 1_024 + 1,
                ..COST
            },
            PasswordCost { passes: 0, ..COST },
            PasswordCost { lanes: 0, ..COST },
            PasswordCost { lanes: 9, ..COST },
            PasswordCost {
                lanes: 17,
                memory_kib: 1_024,
                ..COST
            },
            PasswordCost {
                passes: u32::MAX,
                ..COST
            },
        ] {
            assert_eq!(hash_password(PASSWORD, &cost), Err(Error::PasswordCost));
            let checked = check_password(PASSWORD, None, &cost);
            assert_eq!(checked, Err(Error::PasswordCost));
        }
        assert!(hash_password(PASSWORD, &PasswordCost { lanes: 8, ..COST }).is_ok());
    }
}
