//! From the text of a token to what it proves.
//!
//! A token that was verified before costs a lookup; any other costs a signature. See `cache.rs` for what is
//! remembered. Times, audience and incarnation are checked the same way on both paths.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signature;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, dangerous, decode_header};
use serde::Deserialize;

use super::cache::Cache;
use super::claims::{Claims, Expected, Identity};
use super::error::Error;
use super::key_folder;
use super::keys::{Key, Keys, PublicKey, TYPE};
use super::provider::{self, Whose};
use super::watch::{self, Watch};
use crate::base::Clock;
use crate::base::limits::TOKEN_BYTES_MAX;

/// Verifies access tokens, and remembers those it verified.
#[derive(Debug)]
pub struct Verifier {
    trusted: RwLock<Trusted>,
    cache: Cache,
    /// The folder that the keys are read from, if they come from one.
    watch: Option<Watch>,
}

/// The keys that are trusted now. What an earlier epoch verified is verified again.
#[derive(Clone, Debug)]
struct Trusted {
    keys: Arc<Keys>,
    epoch: u64,
}

impl Verifier {
    /// A verifier that trusts `keys`.
    pub fn new(keys: Arc<Keys>) -> Self {
        Self {
            trusted: RwLock::new(Trusted { keys, epoch: 0 }),
            cache: Cache::default(),
            watch: None,
        }
    }

    /// A verifier that trusts the keys of a folder, made if there are none, and notices when they change. `issuer`
    /// stands in place of the folder's own.
    ///
    /// # Errors
    /// As [`Keys::load_or_create`]; `Issuer`.
    pub fn of_folder(
        dir: &Path,
        issuer: Option<&str>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Keys::load_or_create(dir)?;
        // Before they are read for good, so that no change is missed.
        let seen = watch::list(dir)?;
        let keys = named(Keys::load(dir)?, issuer)?;
        let watch = Some(Watch::new(dir, issuer, clock, seen));
        Ok(Self {
            watch,
            ..Self::new(Arc::new(keys))
        })
    }

    /// What `token` proves at `now_ms`, Unix milliseconds.
    ///
    /// # Errors
    /// The first check that fails, in the order of the variants of [`Error`].
    pub fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now_ms: i64,
    ) -> Result<Arc<Identity>, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::TooLong {
                max: TOKEN_BYTES_MAX,
            });
        }
        self.look();
        let epoch = self.epoch();
        if let Some(identity) = self.cache.find(token, epoch) {
            identity.check(expected, now_ms)?;
            return Ok(identity);
        }
        let Trusted { keys, epoch } = self.trusted();
        if keys.is_empty() {
            return Err(Error::KeysUnread);
        }
        let identity = Arc::new(prove(&keys, token, expected)?);
        identity.check(expected, now_ms)?;
        self.cache.keep(token, epoch, Arc::clone(&identity));
        Ok(identity)
    }

    /// What `token` proved when it was verified, if that is remembered. It is no verification: whether the token is in
    /// time, and of which database, is for [`Verifier::verify`] to say.
    pub fn remembers(&self, token: &str) -> Option<Arc<Identity>> {
        self.cache.find(token, self.epoch())
    }

    /// Trusts `keys` from now on, and no others: after a rotation or a revocation.
    ///
    /// A call of [`Verifier::verify`] that starts after this returns knows no key but these.
    pub fn trust(&self, keys: Arc<Keys>) {
        {
            let mut trusted = self.trusted.write().unwrap_or_else(PoisonError::into_inner);
            let epoch = trusted.epoch.wrapping_add(1);
            *trusted = Trusted { keys, epoch };
        }
        self.cache.clear();
    }

    /// Forgets every verified token. They verify again at the price of a signature.
    pub fn forget(&self) {
        self.cache.clear();
    }

    /// The keys that are trusted now.
    pub fn keys(&self) -> Arc<Keys> {
        self.look();
        self.trusted().keys
    }

    /// The public keys that whoever verifies tokens elsewhere needs, oldest first.
    ///
    /// # Errors
    /// `KeysUnread`.
    pub fn published(&self) -> Result<Vec<PublicKey>, Error> {
        let keys = self.keys();
        if keys.is_empty() {
            return Err(Error::KeysUnread);
        }
        Ok(keys.public_keys().cloned().collect())
    }

    /// Reads the key folder anew if a look is due and it changed.
    ///
    /// What cannot be read is not trusted: see [`Keys::of_folder_as_far_as_it_goes`]. Without the list of what was
    /// revoked, nothing is.
    fn look(&self) {
        let Some(looking) = self.watch.as_ref().and_then(Watch::look) else {
            return;
        };
        let Some(Watch { dir, issuer, .. }) = &self.watch else {
            return;
        };
        let listing = watch::list(dir);
        if listing.as_ref().is_ok_and(|it| looking.is_as_before(it)) {
            looking.end(listing.ok());
            return;
        }
        let whole = Keys::load(dir).and_then(|keys| named(keys, issuer.as_deref()));
        let read = listing.ok().filter(|_| whole.is_ok());
        let former = self.trusted().keys;
        let keys = whole.unwrap_or_else(|_| match key_folder::read(dir) {
            Ok(folder) => former.of_folder_as_far_as_it_goes(folder),
            Err(_) => former.none(),
        });
        self.trust(Arc::new(keys));
        looking.end(read);
    }

    /// How many verified tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.cache.len()
    }

    fn trusted(&self) -> Trusted {
        self.trusted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn epoch(&self) -> u64 {
        self.trusted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .epoch
    }
}

fn named(keys: Keys, issuer: Option<&str>) -> Result<Keys, Error> {
    match issuer {
        Some(issuer) => keys.with_issuer(issuer),
        None => Ok(keys),
    }
}

/// What the token proves by its signature, its issuer and its audience; not whether it is in time.
fn prove(keys: &Keys, token: &str, expected: &Expected<'_>) -> Result<Identity, Error> {
    let key = key(keys, token)?;
    // jsonwebtoken reads the machine's clock, ours is driven; `Identity::check` judges the times, without leeway.
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = 0;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&["iss", "sub", "aud"]);
    validation.set_issuer(&[keys.issuer()]);
    validation.set_audience(&[expected.audience]);
    let decoded = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation);
    let claims = decoded.map_err(|error| refusal(error.kind()))?.claims;
    if provider::ready()? == Whose::Another {
        verify_strict(key, token)?;
    }
    // serde takes an array for a struct; ours are written as `{"`, which is these three letters.
    let payload = token.split('.').nth(1).ok_or(Error::Malformed)?;
    if !payload.starts_with("eyJ") {
        return Err(Error::Claims);
    }
    claims.identity(&key.public.kid)
}

/// The key that the header names, if the header is one of ours.
fn key<'a>(keys: &'a Keys, token: &str) -> Result<&'a Key, Error> {
    if token.split('.').count() != 3 {
        return Err(Error::Malformed);
    }
    let header = decode_header(token).map_err(|_| unreadable(token))?;
    if header.alg != Algorithm::EdDSA {
        return Err(Error::Algorithm);
    }
    let mut rest = header;
    let (typ, kid) = (rest.typ.take(), rest.kid.take());
    let mut bare = jsonwebtoken::Header::new(Algorithm::EdDSA);
    bare.typ = None;
    if rest != bare {
        return Err(Error::Header);
    }
    if typ.as_deref() != Some(TYPE) {
        return Err(Error::Type);
    }
    kid.and_then(|kid| keys.find(&kid)).ok_or(Error::UnknownKey)
}

/// Why a header cannot be read: an algorithm that jsonwebtoken does not know, such as `none`, or anything else.
fn unreadable(token: &str) -> Error {
    #[derive(Deserialize)]
    struct Named {
        alg: String,
    }
    let Some((header, _)) = token.split_once('.') else {
        return Error::Malformed;
    };
    // The header in the place of the claims: it is read as JSON and nothing of it is believed.
    match dangerous::insecure_decode_claims::<Named>(format!(".{header}.")) {
        Ok(named) if named.alg != "EdDSA" => Error::Algorithm,
        Ok(_) | Err(_) => Error::Malformed,
    }
}

/// What jsonwebtoken found wrong. The header was read before, so JSON it cannot read is the claims'.
fn refusal(kind: &ErrorKind) -> Error {
    match kind {
        ErrorKind::InvalidAlgorithm => Error::Algorithm,
        ErrorKind::InvalidSignature => Error::Signature,
        ErrorKind::InvalidIssuer => Error::Issuer,
        ErrorKind::InvalidAudience => Error::Audience,
        ErrorKind::Json(_) | ErrorKind::Utf8(_) | ErrorKind::MissingRequiredClaim(_) => {
            Error::Claims
        }
        ErrorKind::Base64(_) | ErrorKind::InvalidToken => Error::Malformed,
        // None of these can come of a token; the enum is open. Refused all the same.
        _ => Error::Provider,
    }
}

fn verify_strict(key: &Key, token: &str) -> Result<(), Error> {
    let (message, signature) = token.rsplit_once('.').ok_or(Error::Malformed)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Error::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Error::Signature)?;
    key.verifying
        .verify_strict(message.as_bytes(), &signature)
        .map_err(|_| Error::Signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Incarnation;
    use crate::model::system::ROOT_AUTH;
    use crate::token::claims::{Grant, TokenId};

    #[test]
    fn the_second_verification_is_strict_by_itself() {
        let keys = Keys::ephemeral(&[1; 32]).unwrap();
        let token = keys
            .sign(&Grant {
                subject: ROOT_AUTH,
                audience: "local/default",
                incarnation: Incarnation([1; 16]),
                issued_at_s: 1,
                lifetime_seconds: None,
                id: TokenId::new("a").unwrap(),
            })
            .unwrap();
        let key = key(&keys, &token).unwrap();
        assert_eq!(verify_strict(key, &token), Ok(()));
        let other = token.replacen('.', ".e", 1);
        assert_eq!(verify_strict(key, &other), Err(Error::Signature));
    }
}
