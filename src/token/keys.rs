//! The signing keys: those of a data folder, or one made of a seed.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::claims::{Claims, Grant, TokenId};
use super::error::Error;
use super::key_folder::{self, Folder, Stored, TimedKey};
use super::opaque::{RefreshKey, RefreshToken};
use super::{files, provider};
use crate::base::limits::TOKEN_BYTES_MAX;
use crate::model::Incarnation;

/// The `typ` of an access token (RFC 9068, section 2.1).
pub(super) const TYPE: &str = "at+jwt";

/// The keys that sign and verify access tokens, the one that makes refresh tokens, and the issuer's id.
///
/// Several may stand there: any of them verifies; of those whose time has come, the newest signs. They are wiped when
/// dropped.
pub struct Keys {
    issuer: String,
    /// By rising number.
    all: Vec<Arc<Key>>,
    refresh: Option<RefreshKey>,
}

/// The public half of a key, as a JWK set shows it (RFC 8037: `kty` is `OKP`, `crv` is `Ed25519`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's RFC 7638 thumbprint, base64url.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

/// Where a key stands in its life. In every state, it verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published, and does not sign yet.
    Next,
    /// It signs.
    Active,
    /// It signed, until another did.
    Retiring,
}

/// One key, with what is made of it once.
pub(super) struct Key {
    pub(super) public: PublicKey,
    pub(super) verifying: VerifyingKey,
    pub(super) decoding: DecodingKey,
    pub(super) number: u32,
    /// The Unix second from which it signs, if it was published before.
    pub(super) signs_from_s: Option<i64>,
    signing: EncodingKey,
}

impl Keys {
    /// The keys of `dir`, made if there are none.
    ///
    /// # Errors
    /// `KeyFile` if a file cannot be read or written, is open to others, or is not what it should be; `Random`;
    /// `Provider`.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        provider::ready()?;
        key_folder::create(dir)?;
        Self::load(dir)
    }

    /// The keys of `dir`, which must be there.
    ///
    /// # Errors
    /// As [`Keys::load_or_create`]; `KeyFile` also if there are none.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        Self::of_folder(dir, key_folder::read(dir)?)
    }

    /// The keys of a folder, each of which must be good.
    pub(super) fn of_folder(dir: &Path, folder: Folder) -> Result<Self, Error> {
        provider::ready()?;
        let mut all = Vec::with_capacity(folder.keys.len());
        for Stored { number, key } in folder.keys {
            let key = Arc::new(Key::of(number, &key?));
            if !folder.revoked.iter().any(|it| it.kid == key.public.kid) {
                all.push(key);
            }
        }
        if all.is_empty() {
            return Err(files::file_error(dir, "holds no key"));
        }
        Ok(Self {
            issuer: folder.issuer?,
            all,
            refresh: folder.refresh?.map(RefreshKey::new),
        })
    }

    /// The keys of a folder of which something cannot be read: for a key whose file is there and cannot be read, the
    /// one that was read before. No key that was revoked or whose file is gone is among them, and no refresh key that
    /// may have been replaced.
    pub(super) fn of_folder_as_far_as_it_goes(&self, folder: Folder) -> Self {
        let former = |number| self.all.iter().find(|key| key.number == number).cloned();
        let key = |it: Stored| match it.key {
            Ok(key) => Some(Arc::new(Key::of(it.number, &key))),
            Err(_) => former(it.number),
        };
        let revoked = folder.revoked;
        let stands = |key: &Arc<Key>| !revoked.iter().any(|it| it.kid == key.public.kid);
        Self {
            issuer: self.issuer.clone(),
            all: folder
                .keys
                .into_iter()
                .filter_map(key)
                .filter(stands)
                .collect(),
            refresh: folder.refresh.ok().flatten().map(RefreshKey::new),
        }
    }

    /// No keys: nothing is signed and nothing verifies.
    pub(super) fn none(&self) -> Self {
        Self {
            issuer: self.issuer.clone(),
            all: Vec::new(),
            refresh: None,
        }
    }

    /// One key that is made of `seed` and stands nowhere, for embedding and for tests. Its issuer and its refresh key
    /// are made of the seed too.
    ///
    /// # Errors
    /// `Provider`.
    pub fn ephemeral(seed: &[u8; 32]) -> Result<Self, Error> {
        provider::ready()?;
        let key = SigningKey::from_bytes(seed);
        let digest =
            Sha256::digest([b"solon issuer".as_slice(), key.verifying_key().as_bytes()].concat());
        let text = Zeroizing::new([b"solon refresh key".as_slice(), seed].concat());
        let refresh = Zeroizing::new(Sha256::digest(&*text).into());
        let signs_from_s = None;
        Ok(Self {
            issuer: URL_SAFE_NO_PAD.encode(digest),
            all: vec![Arc::new(Key::of(1, &TimedKey { key, signs_from_s }))],
            refresh: Some(RefreshKey::new(refresh)),
        })
    }

    /// These keys under another issuer's name.
    ///
    /// # Errors
    /// `Issuer` if it is not one to 255 visible ASCII characters.
    pub fn with_issuer(mut self, issuer: &str) -> Result<Self, Error> {
        if !key_folder::is_issuer(issuer) {
            return Err(Error::Issuer);
        }
        issuer.clone_into(&mut self.issuer);
        Ok(self)
    }

    /// Makes an access token, by the key that signs when it is issued.
    ///
    /// # Errors
    /// `Lifetime`, `Claims` or `TooLong` if the grant cannot be written; `KeysUnread` if there is no key; `Provider`.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, Error> {
        let claims = Claims::of(grant, &self.issuer)?;
        let key = self.all.get(self.active(grant.issued_at_s));
        let key = key.ok_or(Error::KeysUnread)?;
        let token = jsonwebtoken::encode(&key.header(), &claims, &key.signing)
            .map_err(|_| Error::Provider)?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLong {
                max: TOKEN_BYTES_MAX,
            });
        }
        Ok(token)
    }

    /// The refresh token of a family that has this number; the same each time.
    ///
    /// # Errors
    /// `Malformed` if the family's id is not one that [`TokenId::random`] makes; `NoRefreshKey`.
    pub fn refresh_token(
        &self,
        incarnation: Incarnation,
        family: &TokenId,
        generation: u32,
    ) -> Result<RefreshToken, Error> {
        let key = self.refresh.as_ref().ok_or(Error::NoRefreshKey)?;
        key.token(incarnation, family, generation)
    }

    /// Reads a refresh token that these keys made. Whether its family stands, and whether it is the current one of it,
    /// is for the record to say.
    ///
    /// # Errors
    /// `Malformed` if it is spelled otherwise than one, `Signature` if these keys did not make it; `NoRefreshKey`.
    pub fn read_refresh_token(&self, text: &str) -> Result<RefreshToken, Error> {
        let key = self.refresh.as_ref().ok_or(Error::NoRefreshKey)?;
        key.read(text)
    }

    /// The issuer's id.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public halves, oldest first.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.all.iter().map(|key| &key.public)
    }

    /// Whether there is no key, because the folder cannot be read.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The keys, oldest first, and where each stands at this Unix second.
    pub(super) fn states(&self, now_s: i64) -> impl Iterator<Item = (&Key, KeyState)> {
        let active = self.active(now_s);
        self.all.iter().enumerate().map(move |(place, key)| {
            let state = match place.cmp(&active) {
                Ordering::Less => KeyState::Retiring,
                Ordering::Equal => KeyState::Active,
                Ordering::Greater => KeyState::Next,
            };
            (&**key, state)
        })
    }

    /// The key with this id.
    pub(super) fn find(&self, kid: &str) -> Option<&Key> {
        let key = self.all.iter().find(|key| key.public.kid == kid);
        key.map(|key| &**key)
    }

    /// The place of the key that signs: the newest whose second has come, else the oldest.
    fn active(&self, now_s: i64) -> usize {
        let has_come = |key: &Arc<Key>| key.signs_from_s.is_none_or(|second| second <= now_s);
        self.all.iter().rposition(has_come).unwrap_or(0)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.all.iter().map(|key| &key.public.kid);
        f.debug_list().entries(ids).finish()
    }
}

impl Key {
    pub(super) fn of(number: u32, TimedKey { key, signs_from_s }: &TimedKey) -> Self {
        let verifying = key.verifying_key();
        let x = URL_SAFE_NO_PAD.encode(verifying.as_bytes());
        // RFC 7638, section 3: the required members alone, sorted, without white space.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        Self {
            public: PublicKey { kid, x },
            decoding: DecodingKey::from_ed_der(verifying.as_bytes()),
            verifying,
            number,
            signs_from_s: *signs_from_s,
            signing: EncodingKey::from_ed_der(&provider::pkcs8(key.as_bytes())),
        }
    }

    /// The header of every token that this key signs.
    pub(super) fn header(&self) -> Header {
        Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(self.public.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kid_is_the_thumbprint_of_rfc_8037_appendix_a_3() {
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let keys = Keys::ephemeral(&seed.try_into().unwrap()).unwrap();
        let public = keys.public_keys().next().unwrap();
        assert_eq!(public.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(public.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn debug_shows_the_ids_of_keys_and_nothing_else() {
        let keys = Keys::ephemeral(&[1; 32]).unwrap();
        let kid = &keys.public_keys().next().unwrap().kid;
        assert_eq!(format!("{keys:?}"), format!("[{kid:?}]"));
    }
}
