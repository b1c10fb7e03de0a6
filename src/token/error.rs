//! Why a token is refused or not made, and why keys cannot be used.

use std::path::PathBuf;

/// Which check failed. The variants that refuse a token stand in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than any token of ours has.
    #[error("the token is longer than {max} bytes")]
    TooLong {
        /// The bound, in bytes.
        max: usize,
    },
    /// Not three parts of base64url around a JSON header.
    #[error("the token is malformed")]
    Malformed,
    /// The header names another algorithm than the key's.
    #[error("the token is not signed with EdDSA")]
    Algorithm,
    /// The header asks for an extension (`crit`), or holds a field that ours never have.
    #[error("the token's header holds more than ours do")]
    Header,
    /// The header's `typ` is not that of an access token.
    #[error("the token is not an access token")]
    Type,
    /// The header names no key, or none of ours.
    #[error("the token names no key that is known")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("the token's signature does not verify")]
    Signature,
    /// A claim is missing, unknown, twice there, or not of its type; in a mint, cannot be written.
    ///
    /// A claim of the right type and another form than ours (a `sub` of `+7`) is found after the audience.
    #[error("the token's claims are not such as are issued here")]
    Claims,
    /// Another issuer's token.
    #[error("the token is another issuer's")]
    Issuer,
    /// A token for another database.
    #[error("the token is for another database")]
    Audience,
    /// A token of another life of the database.
    #[error("the token is of an earlier life of the database")]
    Incarnation,
    /// Issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Past its end.
    #[error("the token is expired")]
    Expired,
    /// A life that cannot be asked for.
    #[error("a token lives from 1 to {max} seconds")]
    Lifetime {
        /// The bound, in seconds.
        max: u64,
    },
    /// A password that none can be.
    #[error("a password has from 1 to {max} bytes")]
    Password {
        /// The bound, in bytes.
        max: usize,
    },
    /// The record of a password cannot be read, or costs too much to check. It is not told.
    #[error("the record of the password {0}")]
    PasswordRecord(
        /// What is wrong with it.
        &'static str,
    ),
    /// A cost of passwords that cannot be, or takes more than a check may.
    #[error("passwords cannot be hashed at the cost that is set")]
    PasswordCost,
    /// The key folder has no key for refresh tokens.
    #[error("the key folder holds no key for refresh tokens")]
    NoRefreshKey,
    /// The key folder of a running process can no longer be read.
    #[error("the keys of tokens cannot be read")]
    KeysUnread,
    /// No key of the folder has this id.
    #[error("there is no key `{0}`")]
    NoSuchKey(
        /// The id, as it was asked for.
        String,
    ),
    /// A key is published already that will sign.
    #[error("the next key is there already, and signs when its time comes")]
    NextKeyStands,
    /// No room for another key.
    #[error("a key folder holds at most {max} keys: revoke one that is no longer needed")]
    TooManyKeys {
        /// The bound.
        max: usize,
    },
    /// A file of the keys cannot be used.
    #[error("`{}`: {why}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        why: String,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// The process's token cryptography does not do Ed25519.
    #[error("the cryptography installed in this process cannot sign and verify tokens")]
    Provider,
}
