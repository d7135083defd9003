//! The decimal digits of every script: a code that was sent in `0` to `9` is typed in the digits of a person's keyboard.
//!
//! A digit is a character of Unicode's general category `Nd` (Unicode 18.0, UAX #44), which come in runs of ten, from zero
//! to nine. This module must never take a character for a digit because it looks like one.

/// The zero of each run beside ASCII's, in ascending order.
#[rustfmt::skip]
const ZEROS: [u32; 76] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x1_04a0, 0x1_0d30, 0x1_0d40, 0x1_1066, 0x1_10f0, 0x1_1136, 0x1_11d0, 0x1_12f0, 0x1_1450, 0x1_14d0, 0x1_1650, 0x1_16c0,
    0x1_16d0, 0x1_16da, 0x1_1730, 0x1_18e0, 0x1_1950, 0x1_1bf0, 0x1_1c50, 0x1_1d50, 0x1_1da0, 0x1_1de0, 0x1_1f50, 0x1_6130,
    0x1_6a60, 0x1_6ac0, 0x1_6b50, 0x1_6d70, 0x1_ccf0, 0x1_d7ce, 0x1_d7d8, 0x1_d7e2, 0x1_d7ec, 0x1_d7f6, 0x1_e140, 0x1_e2f0,
    0x1_e4f0, 0x1_e5f1, 0x1_e950, 0x1_fbf0,
];

/// A decimal digit as its ASCII digit; every other character as it is.
pub(crate) fn to_ascii(c: char) -> char {
    let point = u32::from(c);
    let begun = ZEROS.partition_point(|zero| *zero <= point);
    let zero = begun.checked_sub(1).and_then(|run| ZEROS.get(run));
    zero.and_then(|zero| char::from_digit(point.checked_sub(*zero)?, 10)).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_properties::{GeneralCategory, UNICODE_VERSION, UnicodeGeneralCategory as _};

    /// L17: Arabic-Indic, Persian, Devanagari, Bengali and Thai digits were refused.
    #[test]
    fn each_decimal_digit_of_unicode_and_nothing_else_is_a_digit() {
        assert_eq!(UNICODE_VERSION, (18, 0, 0), "the table is of one version");
        let mut expected = 0;
        for c in '\0'..=char::MAX {
            let is_digit = c.general_category() == GeneralCategory::DecimalNumber;
            assert_eq!(to_ascii(c).is_ascii_digit(), is_digit, "{c:?}");
            if !is_digit {
                assert_eq!(to_ascii(c), c);
                continue;
            }
            // They come in runs of ten, in order.
            assert_eq!(to_ascii(c).to_digit(10), Some(expected % 10), "{c:?}");
            expected += 1;
        }
        assert_eq!(expected, 10 * (1 + u32::try_from(ZEROS.len()).unwrap()));
    }
}
