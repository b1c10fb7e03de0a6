//! Passwords that are too easy to guess to be set. What was set elsewhere and is imported is not asked.

use super::error::{Error, ErrorKind};
use crate::base::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};

/// The most common of eight letters and more in lists of passwords that leaked. Whoever guesses from afar has a few
/// tries a minute, and begins with these.
const COMMON: [&str; 96] = [
    "00000000",
    "0987654321",
    "11111111",
    "1111111111",
    "12121212",
    "123123123",
    "1234512345",
    "12345678",
    "123456789",
    "1234567890",
    "12344321",
    "123qwe123",
    "147258369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "1qazxsw2",
    "22222222",
    "55555555",
    "66666666",
    "77777777",
    "87654321",
    "88888888",
    "987654321",
    "99999999",
    "a1234567",
    "a12345678",
    "a123456789",
    "aa123456",
    "aa12345678",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "abcdefg1",
    "access14",
    "admin123",
    "administrator",
    "admin1234",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "baseball",
    "basketball",
    "changeme",
    "changeme1",
    "charlie1",
    "computer",
    "corvette",
    "default1",
    "dragon123",
    "football",
    "football1",
    "fuckyou1",
    "iloveyou",
    "iloveyou1",
    "internet",
    "jennifer",
    "letmein1",
    "letmein123",
    "liverpool",
    "lovelove",
    "maverick",
    "metallica",
    "michelle",
    "midnight",
    "mustang1",
    "p@ssw0rd",
    "p@ssword",
    "pa$$w0rd",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "password1234",
    "princess",
    "princess1",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qazwsxedc",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwertyui",
    "qwertyuiop",
    "samantha",
    "starwars",
    "sunshine",
    "superman",
    "trustno1",
    "welcome1",
    "welcome123",
    "zaq12wsx",
];

/// Refuses a password that is too easy to guess, of someone with these names.
///
/// # Errors
/// `Invalid`, saying which.
pub(super) fn check_strength<'n>(
    password: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<(), Error> {
    let weak = |why: String| {
        Err(Error::new(ErrorKind::Invalid, "db/weak-password", why).with_at("/password".to_owned()))
    };
    if password.len() < PASSWORD_BYTES_MIN {
        return weak(format!(
            "a password has {PASSWORD_BYTES_MIN} bytes at the least"
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return weak(format!(
            "a password has {PASSWORD_BYTES_MAX} bytes at the most"
        ));
    }
    let lower = password.to_lowercase();
    if names.into_iter().any(|name| name.to_lowercase() == lower) {
        return weak("the password is the name of its user".to_owned());
    }
    if COMMON.contains(&lower.as_str()) {
        return weak("the password is among the most common".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_easy_to_guess_is_refused_and_told_apart() {
        let why = |password: &str| {
            let checked = check_strength(password, ["margarete"]);
            checked.err().map(|error| {
                assert_eq!(error.code(), "db/weak-password");
                error.message().to_owned()
            })
        };
        assert_eq!(why("8 bytes!"), None);
        assert!(why("7 bytes").unwrap().contains("8 bytes"));
        assert!(why("").unwrap().contains("8 bytes"));
        assert_eq!(why(&"x".repeat(PASSWORD_BYTES_MAX)), None);
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert!(why(&long).unwrap().contains("1024 bytes"));
        assert!(why("Margarete").unwrap().contains("name"));
        assert!(why("PassWord123").unwrap().contains("common"));
    }

    #[test]
    fn the_list_has_what_can_be_met_at_all() {
        for (index, common) in COMMON.iter().enumerate() {
            assert!(common.len() >= PASSWORD_BYTES_MIN, "{common}");
            assert_eq!(*common, common.to_lowercase());
            assert!(!COMMON[..index].contains(common), "{common}");
        }
    }
}
