//! The account id of a public key: a short name for it that a person can copy without getting a letter wrong.
//!
//! Shape: Base58Check of the version `0E 86` and the first 20 bytes of SHA-256(SHA-256(public key)), that is
//! Base58 of those 22 bytes and the first 4 bytes of SHA-256(SHA-256(those 22 bytes)).
//! The version is ours alone, and makes every account id begin with `So` and have 35 letters.
//!
//! It is the name that a key's `_auth/id` has by custom. It proves nothing: what a signature is verified by is
//! `_auth/publicKey`.

use sha2::{Digest as _, Sha256};

const VERSION: [u8; 2] = [0x0e, 0x86];

/// Bytes of the key's hash that are kept: the chance that two keys share an id is that of 160 bits.
const HASH_BYTES: usize = 20;

const CHECK_BYTES: usize = 4;

/// The letters of Base58: no `0`, `O`, `I` and `l`.
const LETTERS: [char; 58] = [
    '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K',
    'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e',
    'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y',
    'z',
];

/// The account id of a public key.
pub(super) fn account_id(public: &[u8; 32]) -> String {
    let hash = twice(public);
    let mut bytes: Vec<u8> = VERSION.to_vec();
    bytes.extend(hash.iter().take(HASH_BYTES));
    let check = twice(&bytes);
    bytes.extend(check.iter().take(CHECK_BYTES));
    base58(&bytes)
}

fn twice(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// The number that the bytes are, in base 58; each leading zero byte is a `1`.
fn base58(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // The least significant digit first.
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).unwrap_or(0);
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).unwrap_or(0));
            carry /= 58;
        }
    }
    let ones = std::iter::repeat_n(&'1', zeros);
    let letters = digits.iter().rev();
    let letters = letters.filter_map(|digit| LETTERS.get(usize::from(*digit)));
    ones.chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base58_agrees_with_the_vectors_of_its_draft() {
        // draft-msporny-base58-03, section 5.
        assert_eq!(base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(
            base58(b"The quick brown fox jumps over the lazy dog."),
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"
        );
        assert_eq!(base58(&[0, 0, 0x28, 0x7f, 0xb4, 0xcd]), "11233QC4");
        assert_eq!(base58(&[]), "");
        assert_eq!(base58(&[0]), "1");
    }

    #[test]
    fn account_ids_agree_with_those_that_another_program_computed() {
        // By Python's hashlib and whole numbers.
        for (public, id) in VECTORS {
            assert_eq!(account_id(&public), id);
        }
    }

    #[test]
    fn every_account_id_begins_with_the_same_two_letters() {
        for hash in [[0; 24], [0xff; 24]] {
            let id = base58(&[VERSION.as_slice(), &hash].concat());
            assert!(id.starts_with("So"), "{id}");
            assert_eq!(id.len(), 35, "{id}");
        }
    }

    const VECTORS: [([u8; 32], &str); 4] = [
        ([0; 32], "So7a3qbJLPHVtkMeqV2UM5ebwQqrgGQc9xo"),
        ([255; 32], "SoE1JaQJ88vinrtvfi6G1pSBBYTi74PGryV"),
        (
            [
                0x8a, 0x88, 0xe3, 0xdd, 0x74, 0x09, 0xf1, 0x95, 0xfd, 0x52, 0xdb, 0x2d, 0x3c, 0xba,
                0x5d, 0x72, 0xca, 0x67, 0x09, 0xbf, 0x1d, 0x94, 0x12, 0x1b, 0xf3, 0x74, 0x88, 0x01,
                0xb4, 0x0f, 0x6f, 0x5c,
            ],
            "SoBuu5sinpPtEau1SQSHwovg7Ryvaq7sfzr",
        ),
        (
            [
                0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50, 0x7b, 0x13, 0x2e,
                0xc5, 0xf9, 0x95, 0x47, 0x76, 0xae, 0xbe, 0xbe, 0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69,
                0x14, 0x46, 0xd2, 0x2c,
            ],
            "SoMfL7H6F9oSj5pBWQpmyqf3GPR8xAhcxp9",
        ),
    ];
}
