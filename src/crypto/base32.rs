//! Base32 (RFC 4648 section 6) without padding, as apps that show one-time passwords take a secret. It only
//! encodes, with no table and no branch on the data: what is encoded here is secret.

use alloc::{string::String, vec::Vec};
use core::hint::black_box;
use subtle::{ConditionallySelectable as _, ConstantTimeGreater as _};
use zeroize::Zeroizing;

/// How many bytes fill whole symbols, and how many symbols they fill.
const GROUP: usize = 5;

const SYMBOLS: usize = 8;

/// Encodes `bytes`. No copy stays behind: the text is made in one place, which is as large as it becomes.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(GROUP).saturating_mul(SYMBOLS));
    for piece in bytes.chunks(GROUP) {
        let mut bits = [0; 8];
        bits.iter_mut().skip(8 - GROUP).zip(piece).for_each(|(slot, byte)| *slot = *byte);
        let bits = u64::from_be_bytes(bits);
        text.extend([35, 30, 25, 20, 15, 10, 5, 0].map(|shift| symbol(bits >> shift)));
    }
    text.truncate(bytes.len().saturating_mul(8).div_ceil(GROUP));
    // Symbols are ASCII, and say so in their highest bit: the check of UTF-8 looks at no other.
    Zeroizing::new(String::from_utf8(text).unwrap_or_default())
}

/// The symbol of the low five bits: `A` to `Z`, then `2` to `7`. The mask is kept from the compiler, which
/// would leave it out: with it, that the symbol is ASCII depends on nothing.
fn symbol(bits: u64) -> u8 {
    let [value, ..] = (bits & 0x1f).to_le_bytes();
    let back = u8::conditional_select(&0, &(b'A' + 26 - b'2'), value.ct_gt(&25));
    value.wrapping_add(b'A').wrapping_sub(back) & black_box(0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10, less the padding.
    #[test]
    fn the_vectors_of_rfc_4648_come_out() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(encode(bytes.as_bytes()).as_str(), text);
        }
        // A secret of each length that an algorithm takes.
        for (bytes, symbols) in [(20, 32), (32, 52), (64, 103)] {
            assert_eq!(encode(&alloc::vec![0xff; bytes]).len(), symbols);
        }
    }

    #[test]
    fn every_symbol_stands_in_its_place() {
        for (value, expected) in (0..).zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".bytes()) {
            assert_eq!(symbol(value), expected);
            assert_eq!(symbol(value | 0x20), expected, "only five bits count");
        }
    }
}
