//! Base64url without padding (RFC 4648 section 5), canonical only, with no table and no branch on the data.
//!
//! Handles and tokens carry secret tags, so a symbol is mapped by arithmetic instead of by a look-up whose address would
//! depend on it: eight symbols in the eight bytes of an integer, so that no compiler finds a comparison to branch on. A
//! text that is not the one encoding of its bytes is refused: one value, one spelling.

use alloc::{string::String, vec::Vec};

use subtle::ConstantTimeEq as _;

use crate::verdict::reveal;

/// How many symbols are mapped in one go, and how many bytes they stand for.
const WORD: usize = 8;
const WORD_BYTES: usize = 6;

/// How large a buffer must be to decode up to `max` bytes in it: whole words.
pub(crate) const fn room(max: usize) -> usize {
    max.next_multiple_of(WORD_BYTES)
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(WORD_BYTES).saturating_mul(WORD));
    for piece in bytes.chunks(WORD_BYTES) {
        let mut bits = [0; WORD];
        bits.iter_mut().skip(WORD - WORD_BYTES).zip(piece).for_each(|(slot, byte)| *slot = *byte);
        let values = spread(u64::from_be_bytes(bits)).swap_bytes();
        text.extend(symbols(values).to_le_bytes());
    }
    text.truncate(bytes.len().saturating_mul(4).div_ceil(3));
    // Symbols are ASCII, and say so in their highest bit: the check of UTF-8 looks at no other.
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes a canonical text of at most `max` bytes' worth into `buffer`, which has [`room`] for them; `None` if it is
/// not one.
#[inline]
pub(crate) fn decode<'b>(text: &str, max: usize, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    if text.len() > max.saturating_mul(4).div_ceil(3) || text.len() % 4 == 1 || !fill(buffer, text.as_bytes())
    {
        return None;
    }
    buffer.get(..decoded_length(text.len()))
}

/// Writes what the symbols stand for, and says whether they are the one spelling of it.
fn fill(buffer: &mut [u8], text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks();
    let (slots, _) = buffer.as_chunks_mut::<WORD_BYTES>();
    if text.len().div_ceil(WORD) > slots.len() {
        return false;
    }
    // A missing symbol counts as `A`, which is zero bits.
    let mut last = [b'A'; WORD];
    last.iter_mut().zip(rest).for_each(|(symbol, given)| *symbol = *given);
    let words = words.iter().chain((!rest.is_empty()).then_some(&last));
    let mut different = 0;
    for (word, slot) in words.zip(slots) {
        let given = u64::from_le_bytes(*word);
        let values = values(given & !HIGH);
        different |= (symbols(values) ^ given) | (values & !each(0x3f));
        let [_, _, bytes @ ..] = gather(values.swap_bytes()).to_be_bytes();
        *slot = bytes;
    }
    // Of a last word that is not full, what its symbols do not fill must be zero.
    let written = text.len().div_ceil(WORD).saturating_mul(WORD_BYTES);
    let surplus = buffer.get(decoded_length(text.len())..written).unwrap_or(&[]);
    let surplus = surplus.iter().fold(0, |sum, byte| sum | byte);
    // Whether it is well formed is no secret.
    reveal((different | u64::from(surplus)).ct_eq(&0))
}

/// How many bytes so many symbols stand for.
const fn decoded_length(symbols: usize) -> usize {
    symbols.saturating_mul(3) / 4
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

/// Each byte's highest bit.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The byte eight times.
fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The symbols of eight six-bit values. Where a range of values begins, a step is added or taken away; no byte leaves 0 to
/// 255 on the way. They are ASCII, as their highest bits say whatever the values.
fn symbols(values: u64) -> u64 {
    let upper = values.wrapping_add(each(b'A'));
    let lower = upper.wrapping_add(step(values, 26, b'a' - b'Z' - 1));
    let digit = lower.wrapping_sub(step(values, 52, b'z' + 1 - b'0'));
    let dash = digit.wrapping_sub(step(values, 62, b'9' + 1 - b'-'));
    let underscore = dash.wrapping_add(step(values, 63, b'_' - b'-' - 1));
    underscore & !HIGH
}

/// The six-bit values of eight symbols, by the same ranges. What is no symbol gets some value, which is not its own.
fn values(symbols: u64) -> u64 {
    let dash = symbols.wrapping_add(each(62 - b'-'));
    let digit = dash.wrapping_sub(step(symbols, b'0', 62 - b'-' - (52 - b'0')));
    let upper = digit.wrapping_sub(step(symbols, b'A', 52 - b'0' + b'A'));
    let underscore = upper.wrapping_add(step(symbols, b'_', 63 + b'A' - b'_'));
    underscore.wrapping_sub(step(symbols, b'a', 63 + b'a' - b'_' - 26))
}

/// `by` in each byte that is at least `from`, else zero. The bytes and `by` are below 128, `from` is not zero.
fn step(bytes: u64, from: u8, by: u8) -> u64 {
    let reached = bytes.wrapping_add(each(0x80_u8.wrapping_sub(from))) & HIGH;
    reached.wrapping_sub(reached >> 7) & each(by)
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
            for place in 0..WORD {
                let mut word = [b'A'; WORD];
                word[place] = symbol;
                assert_eq!(fill(&mut [0; WORD_BYTES], &word), known, "{symbol} at {place}");
            }
        }
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
            let fits = decode(&text, 100, &mut [0; 4 * WORD_BYTES]).is_some();
            assert_eq!(fits, length <= 4 * WORD_BYTES);
        }
    }
}
