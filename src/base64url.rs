//! Base64url without padding (RFC 4648 section 5), canonical only, with no table and no branch on the data.
//!
//! Handles and tokens carry secret tags, so a symbol is mapped by arithmetic instead of by a look-up whose address
//! would depend on it. A text that is not the one encoding of its bytes is refused: one value, one spelling.

use alloc::{string::String, vec::Vec};

use subtle::ConstantTimeEq as _;

use crate::verdict::reveal;

/// How many symbols are mapped in one go, and how many bytes they stand for: whole vector registers of both.
const LINE: usize = 32;
const LINE_BYTES: usize = 24;

/// How large a buffer must be to decode up to `max` bytes in it: whole lines.
pub(crate) const fn room(max: usize) -> usize {
    max.next_multiple_of(LINE_BYTES)
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(LINE_BYTES).saturating_mul(LINE));
    for piece in bytes.chunks(LINE_BYTES) {
        let mut line = [0; LINE_BYTES];
        line.iter_mut().zip(piece).for_each(|(slot, byte)| *slot = *byte);
        text.extend(encode_line(&line));
    }
    text.truncate(bytes.len().saturating_mul(4).div_ceil(3));
    // Symbols are ASCII, and say so in their highest bit: the check of UTF-8 looks at no other.
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes a canonical text of at most `max` bytes' worth into `buffer`, which has [`room`] for them; `None` if it is
/// not one.
pub(crate) fn decode<'b>(text: &str, max: usize, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let (lines, rest) = text.as_bytes().as_chunks::<LINE>();
    let (slots, _) = buffer.as_chunks_mut::<LINE_BYTES>();
    let needed = text.len().div_ceil(LINE);
    if text.len() > max.saturating_mul(4).div_ceil(3) || text.len() % 4 == 1 || needed > slots.len() {
        return None;
    }
    // A missing symbol counts as `A`, which is zero bits.
    let mut last = [b'A'; LINE];
    last.iter_mut().zip(rest).for_each(|(symbol, given)| *symbol = *given);
    let lines = lines.iter().chain((!rest.is_empty()).then_some(&last));
    let different = lines.zip(slots).fold(0, |sum, (line, slots)| sum | decode_line(line, slots));
    // Of the last group, what its symbols do not fill must be zero; so is what was missing.
    let length = text.len().saturating_mul(3) / 4;
    let (bytes, rest) = buffer.split_at_checked(length)?;
    let surplus = rest.get(..length.next_multiple_of(LINE_BYTES).saturating_sub(length))?;
    let wrong = surplus.iter().fold(different, |sum, byte| sum | byte);
    // Whether it is well formed is no secret.
    reveal(wrong.ct_eq(&0)).then_some(bytes)
}

fn encode_line(bytes: &[u8; LINE_BYTES]) -> [u8; LINE] {
    let mut symbols = [0; LINE];
    let (words, _) = symbols.as_chunks_mut::<8>();
    let (pieces, _) = bytes.as_chunks::<6>();
    for (word, [a, b, c, d, e, f]) in words.iter_mut().zip(pieces) {
        *word = spread(u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f])).to_be_bytes();
    }
    symbols.iter_mut().for_each(|slot| *slot = symbol(*slot));
    symbols
}

/// Maps a line, and says where its symbols and what their bytes encode to differ: nowhere, if all are symbols.
fn decode_line(symbols: &[u8; LINE], bytes: &mut [u8; LINE_BYTES]) -> u8 {
    let (mut values, mut different) = (*symbols, 0);
    for slot in &mut values {
        let given = *slot;
        *slot = value(given);
        different |= symbol(*slot) ^ given;
        different |= *slot & !0x3f;
    }
    let (words, _) = values.as_chunks::<8>();
    let (pieces, _) = bytes.as_chunks_mut::<6>();
    for (word, piece) in words.iter().zip(pieces) {
        let [_, _, rest @ ..] = gather(u64::from_be_bytes(*word)).to_be_bytes();
        *piece = rest;
    }
    different
}

/// Eight bytes of six bits each from 48 bits, by halves: 24 bits to a half, 12 to a quarter, 6 to a byte.
const fn spread(bits: u64) -> u64 {
    let bits = ((bits << 8) & 0x00ff_ffff_0000_0000) | (bits & 0x0000_0000_00ff_ffff);
    let bits = ((bits << 4) & 0x0fff_0000_0fff_0000) | (bits & 0x0000_0fff_0000_0fff);
    ((bits << 2) & 0x3f00_3f00_3f00_3f00) | (bits & 0x003f_003f_003f_003f)
}

/// The 48 bits of eight bytes of six bits each: [`spread`] the other way.
const fn gather(bits: u64) -> u64 {
    let bits = ((bits & 0x3f00_3f00_3f00_3f00) >> 2) | (bits & 0x003f_003f_003f_003f);
    let bits = ((bits & 0x0fff_0000_0fff_0000) >> 4) | (bits & 0x0000_0fff_0000_0fff);
    ((bits & 0x00ff_ffff_0000_0000) >> 8) | (bits & 0x0000_0000_00ff_ffff)
}

// What a value exceeds its symbol by, in each range of symbols.
const UPPER: u8 = 0_u8.wrapping_sub(b'A');
const LOWER: u8 = 26_u8.wrapping_sub(b'a');
const DIGIT: u8 = 52_u8.wrapping_sub(b'0');
const DASH: u8 = 62_u8.wrapping_sub(b'-');
const UNDERSCORE: u8 = 63_u8.wrapping_sub(b'_');

/// The symbol of a six-bit value: ranges in the order of values.
fn symbol(value: u8) -> u8 {
    value
        .wrapping_sub(UPPER)
        .wrapping_sub(above(value, 25) & LOWER.wrapping_sub(UPPER))
        .wrapping_sub(above(value, 51) & DIGIT.wrapping_sub(LOWER))
        .wrapping_sub(above(value, 61) & DASH.wrapping_sub(DIGIT))
        .wrapping_sub(above(value, 62) & UNDERSCORE.wrapping_sub(DASH))
}

/// The six-bit value of a symbol: ranges in the order of symbols. What is no symbol gets some value, which is not its own.
fn value(symbol: u8) -> u8 {
    symbol
        .wrapping_add(DASH)
        .wrapping_add(above(symbol, b'0' - 1) & DIGIT.wrapping_sub(DASH))
        .wrapping_add(above(symbol, b'A' - 1) & UPPER.wrapping_sub(DIGIT))
        .wrapping_add(above(symbol, b'_' - 1) & UNDERSCORE.wrapping_sub(UPPER))
        .wrapping_add(above(symbol, b'a' - 1) & LOWER.wrapping_sub(UNDERSCORE))
}

/// All ones where `byte > limit`, both below 128, else zero: the sign of a difference, and not a comparison.
fn above(byte: u8, limit: u8) -> u8 {
    (limit.wrapping_sub(byte).cast_signed() >> 7).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str, max: usize) -> Option<Vec<u8>> {
        decode(text, max, &mut alloc::vec![0xff; room(max)]).map(<[u8]>::to_vec)
    }

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
            assert_eq!(decoded(text, 6).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "-_-_");
    }

    #[test]
    fn every_byte_pattern_round_trips() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            let bytes = all.get(..length).unwrap_or(&[]);
            assert_eq!(decoded(&encode(bytes), 256).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn only_the_canonical_spelling_decodes() {
        for text in ["Zh", "Zm9", "Zg==", "Zg=", "Z", "Zm9v\n", "Zm+v", "Zm/v", " Zm9v", "Zm9vé"] {
            assert_eq!(decoded(text, 64), None, "{text:?}");
        }
        for symbol in 0..=255_u8 {
            let known = symbol.is_ascii_alphanumeric() || symbol == b'-' || symbol == b'_';
            for place in 0..LINE {
                let mut line = [b'A'; LINE];
                line[place] = symbol;
                assert_eq!(decode_line(&line, &mut [0; LINE_BYTES]) == 0, known, "{symbol} at {place}");
            }
        }
    }

    #[test]
    fn one_fault_does_not_undo_another() {
        let good = "A".repeat(2 * LINE);
        assert!(decoded(&good, 48).is_some());
        for symbol in ["!", "=", "@"] {
            let twice = [symbol, &good[1..LINE], symbol, &good[LINE + 1..]].concat();
            assert_eq!(decoded(&twice, 48), None, "the same in both lines");
        }
        // Of two characters, the second of which has four bits too many, each has one fault or both.
        let ascii = || (0..128_u8).map(char::from);
        let texts = ascii().flat_map(|one| ascii().map(move |other| String::from_iter([one, other])));
        assert_eq!(texts.filter(|text| decoded(text, 1).is_some()).count(), 256);
    }

    #[test]
    fn longer_than_the_bound_is_refused_before_decoding() {
        assert_eq!(decoded("Zm9v", 2), None);
        assert!(decoded("Zm8", 2).is_some());
        for length in 0..100 {
            let text = encode(&alloc::vec![0xa5; length]);
            for max in 0..100 {
                assert_eq!(decoded(&text, max).is_some(), length <= max, "{length} in {max}");
            }
            // A buffer that is smaller than the bound says is no reason to write less.
            let fits = decode(&text, 100, &mut [0; LINE_BYTES]).is_some();
            assert_eq!(fits, length <= LINE_BYTES);
        }
    }
}
