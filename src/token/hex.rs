//! Bytes as hexadecimal digits: lower case alone, so that bytes have one spelling.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// The digits of some bytes. Wiped when dropped, since they may be a key's.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // Room for all of it at once, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    for byte in bytes {
        // Writing into memory cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that a text of exactly `2 * N` digits spells.
pub(super) fn decode<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = (digit(high)? << 4) | digit(low)?;
    }
    Some(bytes)
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => letter.checked_sub(b'0'),
        b'a'..=b'f' => letter.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(&*encode(&[0, 0x9a, 0xff]), "009aff");
        assert_eq!(decode::<3>("009aff").as_deref(), Some(&[0, 0x9a, 0xff]));
        for text in [
            "", "009af", "009aff0", "009AFF", "009ag0", " 09aff", "+09aff", "00é9af",
        ] {
            assert!(decode::<3>(text).is_none(), "{text}");
        }
    }
}
