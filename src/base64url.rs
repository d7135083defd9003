//! Base64url without padding (RFC 4648 section 5), canonical only, with no table and no branch on the data.
//!
//! Handles and tokens carry secret tags, so a symbol is mapped by arithmetic instead of by a look-up whose address
//! would depend on it. A text that is not the one encoding of its bytes is refused: one value, one spelling.

use alloc::{string::String, vec::Vec};

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        for (slot, byte) in word.iter_mut().skip(1).zip(group) {
            *slot = *byte;
        }
        let word = u32::from_be_bytes(word);
        for shift in [18, 12, 6, 0].into_iter().take(group.len().saturating_add(1)) {
            text.push(char::from(symbol(word >> shift)));
        }
    }
    text
}

/// Decodes a canonical text of at most `max` bytes' worth; `None` if it is not one.
pub(crate) fn decode(text: &str, max: usize) -> Option<Vec<u8>> {
    if text.len() > max.saturating_mul(4).div_ceil(3) || text.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len().saturating_mul(3) / 4);
    let mut invalid = 0_u32;
    for group in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for place in 0..4 {
            // A missing symbol counts as `A`, which is zero bits.
            let value = value(group.get(place).copied().unwrap_or(b'A'));
            invalid |= value & INVALID;
            word = (word << 6) | (value & 0x3f);
        }
        let [_, a, b, c] = word.to_be_bytes();
        match group.len() {
            4 => bytes.extend([a, b, c]),
            3 => {
                invalid |= u32::from(c);
                bytes.extend([a, b]);
            }
            _ => {
                invalid |= u32::from(b) | u32::from(c);
                bytes.push(a);
            }
        }
    }
    (invalid == 0).then_some(bytes)
}

/// A bit that no six-bit value has.
const INVALID: u32 = 0x100;

/// The symbol of the low six bits of `value`.
fn symbol(value: u32) -> u8 {
    let v = value & 0x3f;
    // `above(v, n)` is all ones where v > n: each line moves on to the next run of the alphabet.
    let mut c = v.wrapping_add(65);
    c = c.wrapping_add(above(v, 25) & 6);
    c = c.wrapping_sub(above(v, 51) & 75);
    c = c.wrapping_sub(above(v, 61) & 13);
    c = c.wrapping_add(above(v, 62) & 49);
    c.to_le_bytes()[0]
}

/// The six-bit value of `symbol`, or [`INVALID`].
fn value(symbol: u8) -> u32 {
    let c = u32::from(symbol);
    let upper = within(c, 65, 90);
    let lower = within(c, 97, 122);
    let digit = within(c, 48, 57);
    let dash = within(c, 45, 45);
    let line = within(c, 95, 95);
    (upper & c.wrapping_sub(65))
        | (lower & c.wrapping_sub(71))
        | (digit & c.wrapping_add(4))
        | (dash & 62)
        | (line & 63)
        | (!(upper | lower | digit | dash | line) & INVALID)
}

/// All ones where `value > limit`, for values below 2^31.
const fn above(value: u32, limit: u32) -> u32 {
    0_u32.wrapping_sub(limit.wrapping_sub(value) >> 31)
}

/// All ones where `low <= value <= high`.
const fn within(value: u32, low: u32, high: u32) -> u32 {
    !above(low, value) & !above(value, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors_round_trip() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text, 6).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "-_-_");
    }

    #[test]
    fn every_byte_pattern_round_trips() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let bytes = all.get(..length).unwrap_or(&[]);
            assert_eq!(decode(&encode(bytes), 256).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn only_the_canonical_spelling_decodes() {
        for text in ["Zh", "Zm9", "Zg==", "Zg=", "Z", "Zm9v\n", "Zm+v", "Zm/v", " Zm9v", "Zm9vé"] {
            assert_eq!(decode(text, 64), None, "{text:?}");
        }
        for symbol in 0..=255_u8 {
            let known = symbol.is_ascii_alphanumeric() || symbol == b'-' || symbol == b'_';
            assert_eq!(value(symbol) & INVALID == 0, known, "{symbol}");
        }
    }

    #[test]
    fn longer_than_the_bound_is_refused_before_decoding() {
        assert_eq!(decode("Zm9v", 2), None);
        assert!(decode("Zm8", 2).is_some());
    }
}
