//! Base64url without padding (RFC 4648 section 5), canonical only, with no table and no branch on the data.
//!
//! Handles and tokens carry secret tags, so a symbol is mapped by arithmetic instead of by a look-up whose address
//! would depend on it. A text that is not the one encoding of its bytes is refused: one value, one spelling.

use alloc::{string::String, vec::Vec};

use subtle::ConstantTimeEq as _;

use crate::verdict::reveal;

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        for (slot, byte) in word.iter_mut().skip(1).zip(group) {
            *slot = *byte;
        }
        let word = u32::from_be_bytes(word);
        for shift in [18, 12, 6, 0].into_iter().take(group.len().saturating_add(1)) {
            text.push(symbol(word >> shift));
        }
    }
    // Symbols are ASCII, and say so in their highest bit: the check of UTF-8 looks at no other.
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes a canonical text of at most `max` bytes' worth; `None` if it is not one.
pub(crate) fn decode(text: &str, max: usize) -> Option<Vec<u8>> {
    if text.len() > max.saturating_mul(4).div_ceil(3) || text.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len().div_ceil(4).saturating_mul(3));
    let mut invalid = 0;
    for line in text.as_bytes().chunks(LINE) {
        // A missing symbol counts as `A`, which is zero bits.
        let mut values = [b'A'; LINE];
        values.iter_mut().zip(line).for_each(|(value, symbol)| *value = *symbol);
        values.iter_mut().for_each(|symbol| *symbol = value(*symbol));
        invalid |= values.iter().fold(0, |sum, value| sum | value) & INVALID;
        let (groups, _) = values.as_chunks::<4>();
        for [a, b, c, d] in groups.iter().take(line.len().div_ceil(4)) {
            bytes.extend([(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d]);
        }
    }
    // Of a last group that is not full, what its symbols do not fill must be zero.
    let length = text.len().saturating_mul(3) / 4;
    let surplus = bytes.get(length..).unwrap_or(&[]).iter().fold(0, |sum, byte| sum | byte);
    bytes.truncate(length);
    // Whether it is well formed is no secret.
    reveal((invalid | surplus).ct_eq(&0)).then_some(bytes)
}

/// How many symbols are mapped in one go: enough to fill a vector register.
const LINE: usize = 32;

/// A bit that no six-bit value has.
const INVALID: u8 = 0x80;

/// The symbol of the low six bits of `bits`.
fn symbol(bits: u32) -> u8 {
    let [value, ..] = (bits & 0x3f).to_le_bytes();
    let symbol = (within(value, 0, 25) & value.wrapping_add(b'A'))
        | (within(value, 26, 51) & value.wrapping_add(b'a' - 26))
        | (within(value, 52, 61) & value.wrapping_sub(52 - b'0'))
        | (within(value, 62, 62) & b'-')
        | (within(value, 63, 63) & b'_');
    symbol & 0x7f
}

/// The six-bit value of `symbol`, or [`INVALID`].
fn value(symbol: u8) -> u8 {
    let upper = within(symbol, b'A', b'Z');
    let lower = within(symbol, b'a', b'z');
    let digit = within(symbol, b'0', b'9');
    let dash = within(symbol, b'-', b'-');
    let line = within(symbol, b'_', b'_');
    (upper & symbol.wrapping_sub(b'A'))
        | (lower & symbol.wrapping_sub(b'a' - 26))
        | (digit & symbol.wrapping_add(52 - b'0'))
        | (dash & 62)
        | (line & 63)
        | (!(upper | lower | digit | dash | line) & INVALID)
}

/// All ones where `low <= value <= high`, else zero: the borrow of a subtraction, and not a comparison.
fn within(value: u8, low: u8, high: u8) -> u8 {
    let [_, borrow] = u16::from(value.wrapping_sub(low))
        .wrapping_sub(u16::from(high.wrapping_sub(low)).wrapping_add(1))
        .to_le_bytes();
    borrow
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
