//! Base64url without padding (RFC 4648 section 5), canonical only, with no table and no branch on the data.
//!
//! Handles and tokens carry secret tags, so a symbol is mapped by arithmetic instead of by a look-up whose address
//! would depend on it: eight symbols in the eight bytes of an integer, so that no compiler finds a comparison to
//! branch on. A text that is not the one encoding of its bytes is refused: one value, one spelling.

use alloc::{string::String, vec::Vec};
use subtle::ConstantTimeEq as _;

use crate::crypto::declassify::declassify;

/// How many symbols an integer maps, and how many bytes they stand for.
const WORD: usize = 8;

const WORD_BYTES: usize = 6;

/// How many words are mapped in one go: enough for the widest registers.
const WORDS: usize = 4;

const LINE: usize = WORDS * WORD;

const LINE_BYTES: usize = WORDS * WORD_BYTES;

/// How large a buffer must be to decode up to `max` bytes in it: whole lines.
pub(crate) const fn room(max: usize) -> usize {
    max.next_multiple_of(LINE_BYTES)
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(WORD_BYTES).saturating_mul(WORD));
    for piece in bytes.chunks(WORD_BYTES) {
        let mut bits = [0; WORD];
        bits.iter_mut().skip(WORD - WORD_BYTES).zip(piece).for_each(|(slot, byte)| *slot = *byte);
        text.extend(symbols(spread(u64::from_be_bytes(bits))).to_le_bytes());
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

/// Writes what the symbols stand for, and returns whether the encoding is canonical.
fn fill(buffer: &mut [u8], text: &[u8]) -> bool {
    let (lines, rest) = text.as_chunks();
    let (slots, _) = buffer.as_chunks_mut();
    if text.len().div_ceil(LINE) > slots.len() {
        return false;
    }
    let mut slots = slots.iter_mut();
    let mut others = lines.iter().zip(&mut slots).fold(0, |sum, (line, slot)| sum | decode_line(line, slot));
    // A missing symbol counts as `A`, which is zero bits.
    let mut last = [b'A'; LINE];
    if let (false, Some(slot), Some(symbols)) = (rest.is_empty(), slots.next(), last.get_mut(..rest.len())) {
        symbols.copy_from_slice(rest);
        others |= decode_line(&last, slot);
    }
    // Of a last group that is not full, what its symbols do not fill must be zero.
    let length = decoded_length(text.len());
    let surplus = buffer.get(length..length.next_multiple_of(3)).unwrap_or(&[]);
    let faults = surplus.iter().fold(others, |sum, byte| sum | u64::from(*byte));
    // Whether it is well formed is no secret.
    declassify(faults.ct_eq(&0))
}

/// Maps a line, and sets a bit for what is no symbol.
#[inline(never)]
fn decode_line(line: &[u8; LINE], bytes: &mut [u8; LINE_BYTES]) -> u64 {
    let (mut values, mut others) = ([0; LINE], [0; LINE]);
    for ((value, other), symbol) in values.iter_mut().zip(&mut others).zip(line) {
        (*value, *other) = value_of(*symbol);
    }
    gather(&mut values, bytes);
    let (words, _) = others.as_chunks();
    words.iter().fold(0, |sum, word| sum | u64::from_ne_bytes(*word)) & HIGH
}

/// Writes the bytes that values of six bits stand for: two values make twelve bits, two of these make 24, and two of these
/// are six bytes. The first value is the lowest byte, and the first byte the highest.
#[inline]
fn gather(values: &mut [u8; LINE], bytes: &mut [u8; LINE_BYTES]) {
    for pair in values.as_chunks_mut().0 {
        let lane = u16::from_le_bytes(*pair);
        *pair = ((lane & 0x3f) << 6 | (lane >> 8) & 0x3f).to_le_bytes();
    }
    for pair in values.as_chunks_mut().0 {
        let lane = u32::from_le_bytes(*pair);
        *pair = ((lane & 0xfff) << 12 | lane >> 16).to_le_bytes();
    }
    for (pair, slot) in values.as_chunks().0.iter().zip(bytes.as_chunks_mut().0) {
        let lane = u64::from_le_bytes(*pair);
        let [_, _, bytes @ ..] = ((lane & 0x00ff_ffff) << 24 | lane >> 32).to_be_bytes();
        *slot = bytes;
    }
}

/// How many bytes so many symbols stand for.
const fn decoded_length(symbols: usize) -> usize {
    symbols.saturating_mul(3) / 4
}

/// Eight bytes of six bits each from 48 bits, the highest bits first.
const fn spread(bits: u64) -> u64 {
    let bits = ((bits & 0x0000_0000_00ff_ffff) << 32) | (bits >> 24);
    let bits = ((bits & 0x0000_0fff_0000_0fff) << 16) | ((bits >> 12) & 0x0000_0fff_0000_0fff);
    ((bits & 0x003f_003f_003f_003f) << 8) | ((bits >> 6) & 0x003f_003f_003f_003f)
}

/// Each byte's highest bit.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The byte eight times.
fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The symbols of eight six-bit values. Where a range of values begins, a step is added or taken away; no byte leaves
/// 0 to 255 on the way. They are ASCII, as their highest bits say whatever the values.
fn symbols(values: u64) -> u64 {
    let upper = values.wrapping_add(all(b'A'));
    let lower = upper.wrapping_add(step(values, 26, b'a' - b'Z' - 1));
    let digit = lower.wrapping_sub(step(values, 52, b'z' + 1 - b'0'));
    let dash = digit.wrapping_sub(step(values, 62, b'9' + 1 - b'-'));
    let underscore = dash.wrapping_add(step(values, 63, b'_' - b'-' - 1));
    underscore & !HIGH
}

/// The six-bit value of a symbol, and a byte whose highest bit says that it is none: then the value is any below 128.
///
/// One byte at a time by additions and shifts alone, so that a compiler maps as many as its registers hold.
const fn value_of(symbol: u8) -> (u8, u8) {
    let low = symbol & !0x80;
    let (dash, digits, upper, line, lower) =
        (above(low, b'-'), above(low, b'0'), above(low, b'A'), above(low, b'_'), above(low, b'a'));
    let value = low
        .wrapping_add(62 - b'-')
        .wrapping_sub(mask(digits) & (62 - b'-' - (52 - b'0')))
        .wrapping_sub(mask(upper) & (52 - b'0' + b'A'))
        .wrapping_add(mask(line) & (63 + b'A' - b'_'))
        .wrapping_sub(mask(lower) & (63 + b'a' - b'_' - 26));
    // The bit turns where a range begins and where it has ended.
    let begun = dash ^ (digits ^ (upper ^ (line ^ lower)));
    let ended = above(low, b'-' + 1)
        ^ (above(low, b'9' + 1) ^ (above(low, b'Z' + 1) ^ (above(low, b'_' + 1) ^ above(low, b'z' + 1))));
    (value, symbol | !(begun ^ ended))
}

/// A byte whose highest bit says that `low` is at least `from`. Both are below 128, and `from` is not zero.
const fn above(low: u8, from: u8) -> u8 {
    low.wrapping_add(0x80_u8.wrapping_sub(from))
}

/// All bits what the highest one is.
const fn mask(byte: u8) -> u8 {
    (byte.cast_signed() >> 7).cast_unsigned()
}

/// `by` in each byte that is at least `from`, else zero. `by` is below 128.
fn step(bytes: u64, from: u8, by: u8) -> u64 {
    let reached = reached(bytes, from);
    reached.wrapping_sub(reached >> 7) & all(by)
}

/// The highest bit of each byte that is at least `from`: the carry of an addition. The bytes are below 128, `from` is
/// not zero.
fn reached(bytes: u64, from: u8) -> u64 {
    bytes.wrapping_add(all(0x80_u8.wrapping_sub(from))) & HIGH
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
    fn a_text_that_does_not_fit_into_the_buffer_is_refused() {
        let (text, mut small) = ("A".repeat(2 * LINE), [0; LINE_BYTES]);
        assert_eq!(decode(&text, 2 * LINE_BYTES, &mut small), None);
        assert!(!fill(&mut small, text.as_bytes()));
        assert!(fill(&mut small, text.as_bytes().get(..LINE).unwrap_or(&[])));
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
        for text in
            ["Zh", "Zm9", "Zg==", "Zg=", "Z", "Zm9v\n", "Zm+v", "Zm/v", " Zm9v", "Zm9vé", "A", "AAAAA"]
        {
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
        let twice = |place: usize, other: usize| {
            let mut text = good.clone();
            for place in [place, other] {
                text.replace_range(place..=place, "!");
            }
            decoded(&text, 48)
        };
        assert_eq!(twice(0, LINE), None, "in two lines");
        assert_eq!(twice(0, WORD), None, "in two words");
        // Of two characters, the second has four bits too many: each has one fault or both.
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
