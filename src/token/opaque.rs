//! Tokens that say nothing to who bears them: for programs, for the next sign-in, for a new password.
//!
//! 1. A token has one spelling: a word that says what it is, and its bytes as base64url without padding.
//! 2. What is kept of one is its hash. Whether it stands in a record, in time and not revoked, is for those above.
//! 3. A refresh token is made of the refresh key and its place in its family, so that its successor can be made
//!    again for a client that lost it, and so that no other is ever looked up.
//! 4. `Debug` shows ids. The text is wiped when dropped.
//!
//! Shapes, before base64url; integers are big-endian:
//! ```text
//! solon_   incarnation 16 | id 16     | secret 32                    calls as an auth
//! solonr_  incarnation 16 | family 16 | generation u32 | secret 32   gets the next access token
//! solonp_  incarnation 16 | auth i64  | secret 32                    sets a password
//! ```
//! The secret of a refresh token is HMAC-SHA-256 under the refresh key of a domain word and all that stands before.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::claims::TokenId;
use super::error::Error;
use super::hex;
use crate::model::{Incarnation, SubjectId};

pub(super) const API: &str = "solon_";
pub(super) const REFRESH: &str = "solonr_";
pub(super) const RESET: &str = "solonp_";

/// What tells a refresh token's secret from all else that the key might ever sign.
const REFRESH_DOMAIN: &[u8] = b"solon refresh token 1\0";

const SECRET_BYTES: usize = 32;

/// A token by which a program calls as an auth.
pub struct ApiToken {
    incarnation: Incarnation,
    id: TokenId,
    text: Text,
}

/// A token that is exchanged for an access token and its own successor.
pub struct RefreshToken {
    incarnation: Incarnation,
    family: [u8; 16],
    generation: u32,
    text: Text,
}

/// A token that sets the password of an auth.
pub struct ResetToken {
    incarnation: Incarnation,
    auth: SubjectId,
    text: Text,
}

/// The key that makes the secrets of refresh tokens. It is wiped when dropped.
pub(super) struct RefreshKey(Zeroizing<[u8; 32]>);

impl ApiToken {
    /// A new token.
    ///
    /// # Errors
    /// `Random` if the system gives no random bytes.
    pub fn generate(incarnation: Incarnation) -> Result<Self, Error> {
        let id = random::<16>()?;
        let secret = random::<SECRET_BYTES>()?;
        Ok(Self {
            incarnation,
            id: TokenId::of_bytes(&id),
            text: Text::of(API, &[&incarnation.0, &*id, &*secret]),
        })
    }

    /// Whether a text says that it is one.
    pub fn is(text: &str) -> bool {
        text.starts_with(API)
    }

    /// Reads a token. That it is spelled like one proves nothing.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bytes = decode::<64>(text, API)?;
        let mut rest = bytes.as_slice();
        Ok(Self {
            incarnation: Incarnation(take(&mut rest)?),
            id: TokenId::of_bytes(&take(&mut rest)?),
            text: Text::read(text),
        })
    }

    /// The life of the database that it is for.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The `_token/id` of its record.
    pub const fn id(&self) -> &TokenId {
        &self.id
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// What is kept of it: SHA-256 of the text, hexadecimal.
    pub fn hash(&self) -> String {
        self.text.hash()
    }
}

impl RefreshToken {
    /// The life of the database that it is for.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The family: the `_token/id` of its record.
    pub fn family(&self) -> TokenId {
        TokenId::of_bytes(&self.family)
    }

    /// Its number in its family.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// What is kept of the current one of a family: its generation, a colon, and SHA-256 of the text, hexadecimal.
    pub fn hash(&self) -> String {
        format!("{}:{}", self.generation, self.text.hash())
    }
}

impl ResetToken {
    /// A new token.
    ///
    /// # Errors
    /// `Random` if the system gives no random bytes.
    pub fn generate(incarnation: Incarnation, auth: SubjectId) -> Result<Self, Error> {
        let secret = random::<SECRET_BYTES>()?;
        let place = auth.raw().to_be_bytes();
        Ok(Self {
            incarnation,
            auth,
            text: Text::of(RESET, &[&incarnation.0, &place, &*secret]),
        })
    }

    /// Reads a token. That it is spelled like one proves nothing.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bytes = decode::<56>(text, RESET)?;
        let mut rest = bytes.as_slice();
        let incarnation = Incarnation(take(&mut rest)?);
        let auth = SubjectId::from_raw(i64::from_be_bytes(take(&mut rest)?))
            .filter(|auth| auth.raw() >= 0)
            .ok_or(Error::Malformed)?;
        Ok(Self {
            incarnation,
            auth,
            text: Text::read(text),
        })
    }

    /// The life of the database that it is for.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whose password it sets.
    pub const fn auth(&self) -> SubjectId {
        self.auth
    }

    /// The token itself.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// What is kept of it: SHA-256 of the text, hexadecimal.
    pub fn hash(&self) -> String {
        self.text.hash()
    }
}

impl RefreshKey {
    pub(super) const fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// The token of a family that has this number.
    ///
    /// # Errors
    /// `Malformed` if the family's id is not one that [`TokenId::random`] makes.
    pub(super) fn token(
        &self,
        incarnation: Incarnation,
        family: &TokenId,
        generation: u32,
    ) -> Result<RefreshToken, Error> {
        let family = family.bytes().ok_or(Error::Malformed)?;
        self.make(incarnation, family, generation)
    }

    /// Reads a token that this key made.
    ///
    /// # Errors
    /// `Malformed` if it is spelled otherwise than one, `Signature` if this key did not make it.
    pub(super) fn read(&self, text: &str) -> Result<RefreshToken, Error> {
        let bytes = decode::<68>(text, REFRESH)?;
        let mut rest = bytes.as_slice();
        let incarnation = Incarnation(take(&mut rest)?);
        let family = take(&mut rest)?;
        let generation = u32::from_be_bytes(take(&mut rest)?);
        let made = self.make(incarnation, family, generation)?;
        if bool::from(made.text().as_bytes().ct_eq(text.as_bytes())) {
            Ok(made)
        } else {
            Err(Error::Signature)
        }
    }

    fn make(
        &self,
        incarnation: Incarnation,
        family: [u8; 16],
        generation: u32,
    ) -> Result<RefreshToken, Error> {
        let place = generation.to_be_bytes();
        // HMAC takes a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).map_err(|_| Error::Provider)?;
        for part in [REFRESH_DOMAIN, &incarnation.0, &family, &place] {
            mac.update(part);
        }
        let secret: Zeroizing<[u8; SECRET_BYTES]> =
            Zeroizing::new(mac.finalize().into_bytes().into());
        Ok(RefreshToken {
            incarnation,
            family,
            generation,
            text: Text::of(REFRESH, &[&incarnation.0, &family, &place, &*secret]),
        })
    }
}

/// The text of a token.
struct Text(Zeroizing<String>);

impl Text {
    fn of(word: &str, parts: &[&[u8]]) -> Self {
        let bytes = Zeroizing::new(parts.concat());
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes));
        Self(Zeroizing::new([word, &body].concat()))
    }

    fn read(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    fn as_str(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> String {
        hex::encode(&Sha256::digest(self.0.as_bytes())).to_string()
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(|_| Error::Random)?;
    Ok(bytes)
}

/// The bytes after the word.
pub(super) fn decode<const N: usize>(text: &str, word: &str) -> Result<Zeroizing<[u8; N]>, Error> {
    let body = text.strip_prefix(word).ok_or(Error::Malformed)?;
    // Before it is decoded, so that a long one costs nothing.
    if body.len() != (N * 4).div_ceil(3) {
        return Err(Error::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode(body).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| Error::Malformed)?;
    let bytes = bytes.as_slice().try_into().map_err(|_| Error::Malformed)?;
    Ok(Zeroizing::new(bytes))
}

/// Takes the first bytes away.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (first, after) = rest.split_first_chunk::<N>().ok_or(Error::Malformed)?;
    *rest = after;
    Ok(*first)
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiToken({})", self.id)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({} {})", self.family(), self.generation)
    }
}

impl fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResetToken({})", self.auth)
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "these texts are ASCII")]
mod tests {
    use super::*;
    use crate::model::system::ROOT_AUTH;

    const LIFE: Incarnation = Incarnation([0xab; 16]);

    fn key() -> RefreshKey {
        RefreshKey::new(Zeroizing::new(std::array::from_fn(|at| {
            u8::try_from(at).unwrap()
        })))
    }

    fn family() -> TokenId {
        TokenId::of_bytes(&[1; 16])
    }

    /// Other spellings of a token, and texts that are cut from it or made longer.
    fn misspelled(text: &str) -> Vec<String> {
        let (word, body) = text.split_at(text.find('_').unwrap() + 1);
        let mut texts: Vec<String> = (0..text.len()).map(|at| text[..at].to_owned()).collect();
        for tail in ["A", "AAAA", "=", "==", ".", " ", "\n", "\0", "é"] {
            texts.push(format!("{text}{tail}"));
        }
        texts.push(format!(" {text}"));
        texts.push(format!("{word}{text}"));
        texts.push(format!("{}{body}", word.to_uppercase()));
        texts.push(body.to_owned());
        for other in ["+", "/", "=", " ", "é", "%2D"] {
            texts.push(format!("{word}{other}{}", &body[1..]));
        }
        // The spare bits of the last letter.
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = body.chars().last().unwrap();
        let place = letters.find(last).unwrap();
        let next = &letters[place + 1..place + 2];
        texts.push(format!("{}{next}", &text[..text.len() - 1]));
        for other in [API, REFRESH, RESET].iter().filter(|it| **it != word) {
            texts.push(format!("{other}{body}"));
        }
        texts
    }

    #[test]
    fn an_api_token_reads_back_and_each_is_another() {
        let token = ApiToken::generate(LIFE).unwrap();
        assert!(ApiToken::is(token.text()));
        let read = ApiToken::parse(token.text()).unwrap();
        assert_eq!(read.incarnation(), LIFE);
        assert_eq!(read.id(), token.id());
        assert_eq!(read.text(), token.text());
        assert_eq!(read.hash(), token.hash());
        assert_eq!(token.hash().len(), 64);
        assert_eq!(TokenId::new(token.id().as_str()).as_ref(), Some(token.id()));
        let other = ApiToken::generate(LIFE).unwrap();
        assert_ne!(other.id(), token.id());
        assert_ne!(other.hash(), token.hash());
        for text in misspelled(token.text()) {
            assert_eq!(
                ApiToken::parse(&text).err(),
                Some(Error::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reset_token_reads_back_and_names_an_auth() {
        let token = ResetToken::generate(LIFE, ROOT_AUTH).unwrap();
        let read = ResetToken::parse(token.text()).unwrap();
        assert_eq!(read.incarnation(), LIFE);
        assert_eq!(read.auth(), ROOT_AUTH);
        assert_eq!(read.text(), token.text());
        assert_eq!(read.hash(), token.hash());
        for text in misspelled(token.text()) {
            assert_eq!(
                ResetToken::parse(&text).err(),
                Some(Error::Malformed),
                "{text}"
            );
        }
        let negative = Text::of(RESET, &[&LIFE.0, &(-1_i64).to_be_bytes(), &[0; 32]]);
        assert!(ResetToken::parse(negative.as_str()).is_err());
        let beyond = Text::of(RESET, &[&LIFE.0, &i64::MAX.to_be_bytes(), &[0; 32]]);
        assert!(ResetToken::parse(beyond.as_str()).is_err());
    }

    #[test]
    fn a_refresh_token_agrees_with_the_one_that_another_program_made() {
        // By Python's hmac and hashlib.
        let text = "solonr_q6urq6urq6urq6urq6urqwEBAQEBAQEBAQEBAQEBAQEAAAAH5_t-uD0Kpnkxqv3Pd-zdpefjCTugutU\
                    eqk-Qh6vLenI";
        let token = key().token(LIFE, &family(), 7).unwrap();
        assert_eq!(token.text(), text);
        assert_eq!(
            token.hash(),
            "7:aa15f8cb31d12a817a556242132a8026535ad9a3deeff504a09e2a96fe72104c"
        );
        let read = key().read(text).unwrap();
        assert_eq!(read.incarnation(), LIFE);
        assert_eq!(read.family(), family());
        assert_eq!(read.generation(), 7);
        assert_eq!(read.text(), text);
        assert!(!ApiToken::is(text));
        for text in misspelled(text) {
            assert_eq!(key().read(&text).err(), Some(Error::Malformed), "{text}");
        }
    }

    #[test]
    fn a_refresh_token_that_the_key_did_not_make_is_refused() {
        let token = key().token(LIFE, &family(), 7).unwrap();
        let bytes = decode::<68>(token.text(), REFRESH).unwrap();
        for at in 0..bytes.len() {
            let mut changed = *bytes;
            changed[at] ^= 1;
            let text = Text::of(REFRESH, &[&changed]);
            assert_eq!(
                key().read(text.as_str()).err(),
                Some(Error::Signature),
                "{at}"
            );
        }
        let other = RefreshKey::new(Zeroizing::new([9; 32]));
        assert_eq!(other.read(token.text()).err(), Some(Error::Signature));
        for id in ["a", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAAA"] {
            let id = TokenId::new(id).unwrap();
            assert_eq!(key().token(LIFE, &id, 0).err(), Some(Error::Malformed));
        }
    }

    #[test]
    fn debug_shows_ids_and_nothing_else() {
        let api = ApiToken::generate(LIFE).unwrap();
        assert_eq!(format!("{api:?}"), format!("ApiToken({})", api.id()));
        let refresh = key().token(LIFE, &family(), 7).unwrap();
        assert_eq!(
            format!("{refresh:?}"),
            format!("RefreshToken({} 7)", family())
        );
        let reset = ResetToken::generate(LIFE, ROOT_AUTH).unwrap();
        assert_eq!(format!("{reset:?}"), format!("ResetToken({ROOT_AUTH})"));
    }
}
