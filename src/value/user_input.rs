//! What people type: one reading of binding codes and recovery codes.
//!
//! Spaces of any kind, dashes of any kind and invisible characters drop out, decimal digits of every script become ASCII
//! digits, and nothing else is guessed. In particular no Unicode case folding (it would turn `ß` into `SS` and a dotless `ı` into
//! `I`) and no look-alikes (`O` for `0`): what is left must be in the alphabet of its code, or the input is malformed.
//!
//! A typed code may be the right one: symbols are only classified, never branched on by value. That holds for codes
//! typed in ASCII; other Unicode text is read by its own rules.

use core::fmt;
use subtle::{Choice, ConstantTimeGreater as _};

use crate::{crypto::declassify::declassify, value::decimal_digit};

/// Whether a byte is one of `count` from `first` on.
pub(crate) fn among(byte: u8, first: u8, count: u8) -> Choice {
    count.ct_gt(&byte.wrapping_sub(first))
}

/// A text that cannot be a code of its kind. It has no chance of being right, so it costs no attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// It is longer, as typed, than any spelling of a code.
    TooLong,
    /// It has a character that is neither in the code's alphabet nor a separator.
    Character,
    /// It has too few or too many symbols.
    Length,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the code is far too long",
            Self::Character => "the code contains a character that no code has",
            Self::Length => "the code has the wrong number of characters",
        })
    }
}

impl core::error::Error for Malformed {}

/// The greatest length of a typed code in bytes, separators included.
pub(crate) const MAX_TYPED_BYTES: usize = 256;

/// Reads the symbols of a typed code into `symbols` and says how many there are.
///
/// `accept` maps a byte to a symbol, and says whether it is one of the alphabet, without a branch.
pub(crate) fn read(
    text: &str,
    symbols: &mut [u8],
    accept: fn(u8) -> (u8, Choice),
) -> Result<usize, Malformed> {
    if text.len() > MAX_TYPED_BYTES {
        return Err(Malformed::TooLong);
    }
    let mut slots = symbols.iter_mut();
    let mut count = 0_usize;
    let mut surplus = false;
    let mut take = |c: char, byte: u8| {
        let (symbol, known) = accept(byte);
        // Where in a text its symbols stand is no secret.
        if declassify(known) {
            match slots.next() {
                Some(slot) => {
                    *slot = symbol;
                    count = count.saturating_add(1);
                }
                None => surplus = true,
            }
            Ok(())
        } else if is_separator(c) {
            Ok(())
        } else {
            Err(Malformed::Character)
        }
    };
    // The highest bit alone is looked at.
    if text.bytes().fold(0, |sum, byte| sum | byte) & 0x80 == 0 {
        text.bytes().try_for_each(|byte| take(char::from(byte), byte))?;
    } else {
        text.chars().try_for_each(|c| take(c, u8::try_from(decimal_digit::to_ascii(c)).unwrap_or(0)))?;
    }
    if surplus { Err(Malformed::Length) } else { Ok(count) }
}

/// White space, dashes and invisible characters.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || is_dash(c) || is_invisible(c)
}

/// The characters of Unicode's category Pd (dash punctuation), and the minus sign.
const fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{58a}' | '\u{5be}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2212}'
                | '\u{2e17}'
                | '\u{2e1a}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{2e40}'
                | '\u{2e5d}'
                | '\u{301c}'
                | '\u{3030}'
                | '\u{30a0}'
                | '\u{fe31}'
                | '\u{fe32}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
                | '\u{10d6e}'
                | '\u{10ead}'
    )
}

/// Characters that show nothing: Unicode's Default_Ignorable_Code_Point (soft hyphen, joiners, zero-width spaces,
/// direction marks, variation selectors, tags, fillers), interlinear marks and the blank Braille pattern.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

    #[test]
    fn each_dash_of_unicode_and_the_minus_sign_is_a_dash() {
        for c in '\0'..=char::MAX {
            let is_expected = c.general_category() == GeneralCategory::DashPunctuation || c == '\u{2212}';
            assert_eq!(is_dash(c), is_expected, "{c:?}");
        }
    }
}
