//! What clients present: what is right, and what differs from it in a chosen place; secret, like what it is compared
//! with.
//!
//! To alter a code or a tag it must be read: that is done on a copy that is declassified, and what comes of it is
//! marked as secret again. How long a code is, and which bytes of a token are its payload, is public.

use countersign::{
    BindingCode,
    code::{OtpCode, RecoveryCode},
};

use crate::{
    scene::Scene,
    valgrind::{bytes_of, bytes_of_otp, conceal, conceal_ascii, uncover},
};

/// What is presented, as seen from what would be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presented {
    /// That itself.
    Right,
    /// With another first symbol.
    First,
    /// With another last symbol.
    Last,
    /// With other symbols everywhere.
    Random,
}

use Presented::{First, Last, Random, Right};

/// How many bytes of tag end an `mfa_token`, and an `oob_code`.
pub const MFA_TAG: usize = 32;
pub const OOB_TAG: usize = 20;
/// The outer tag of a link, and what only the record can check.
pub const LINK_TAG: usize = 20 + 16;
/// The two tags of a device's token: the inner one, which only the record can check, and the outer one.
pub const DEVICE_TAG: usize = 20 + 20;

/// A public copy of a text.
fn known(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    uncover(bytes.as_mut_slice());
    String::from_utf8(bytes).unwrap()
}

/// The place of the first symbol that holds bits of the tag and no others.
fn first_of_tag(text: &str, tag: usize) -> usize {
    let payload = text.len() * 3 / 4 - tag;
    (payload * 8).div_ceil(6)
}

/// Marks the tag in a text as secret.
fn conceal_tag(text: &mut str, tag: usize) {
    let from = first_of_tag(text, tag);
    conceal(&mut text[from..]);
}

/// The text of a token or handle, with another tag.
pub fn altered_text(scene: &mut Scene, text: &str, tag: usize, presented: Presented) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if presented == Right {
        return text.to_owned();
    }
    let text = known(text);
    let from = first_of_tag(&text, tag);
    let mut bytes = text.into_bytes();
    let end = bytes.len() - 1;
    // The last symbol keeps its low bits, which must be zero if it is not full.
    let mut alter = |place: usize, by: usize| {
        let value = SYMBOLS.iter().position(|symbol| *symbol == bytes[place]).unwrap();
        bytes[place] = SYMBOLS[value ^ by];
    };
    match presented {
        Right => {}
        First => alter(from, 0x20),
        Last => alter(end, 0x20),
        Random => {
            alter(from, 1);
            (from + 1..end)
                .for_each(|place| alter(place, usize::from(scene.draws.number().to_be_bytes()[0] % 64)));
        }
    }
    let mut text = String::from_utf8(bytes).unwrap();
    conceal_tag(&mut text, tag);
    text
}

/// A binding code, with other digits.
pub fn altered_binding_code(scene: &mut Scene, right: &BindingCode, presented: Presented) -> BindingCode {
    if presented == Right {
        return right.clone();
    }
    let mut copy = right.clone();
    uncover(&mut copy);
    let symbols = altered_symbols(scene, copy.expose(), "0123456789", presented);
    let mut code = BindingCode::parse(&symbols).unwrap();
    conceal_digits(&mut code, conceal);
    code
}

/// Marks a binding code as secret, but for the number of its digits.
pub fn conceal_digits(code: &mut BindingCode, conceal: fn(&mut u8)) {
    let length = code.length();
    uncover(code);
    // The length is the one byte that is neither a digit nor nothing.
    bytes_of(code).iter_mut().filter(|byte| **byte != length).for_each(conceal);
}

/// A one-time password, which is public, with other digits; what comes of it is secret, but for the number of
/// its digits.
pub fn altered_otp(scene: &mut Scene, right: &OtpCode, presented: Presented) -> OtpCode {
    let symbols = altered_symbols(scene, right.expose(), "0123456789", presented);
    let mut code = OtpCode::parse(&symbols).unwrap();
    // The numbers of digits and of codes are the bytes that are neither a digit nor nothing.
    let secret = |byte: &&mut u8| byte.is_ascii_digit() || **byte == 0;
    bytes_of_otp(&mut code).iter_mut().filter(secret).for_each(conceal);
    code
}

/// A recovery code, with other symbols.
pub fn altered_recovery_code(scene: &mut Scene, right: &RecoveryCode, presented: Presented) -> RecoveryCode {
    if presented == Right {
        return right.clone();
    }
    let mut copy = right.clone();
    uncover(&mut copy);
    let symbols = altered_symbols(scene, copy.expose(), RecoveryCode::ALPHABET, presented);
    let mut code = RecoveryCode::parse(&symbols).unwrap();
    conceal(&mut code);
    code
}

fn altered_symbols(scene: &mut Scene, right: &str, alphabet: &str, presented: Presented) -> String {
    let mut symbols = right.as_bytes().to_vec();
    let end = symbols.len() - 1;
    let next = |symbol: u8, by: usize| {
        let place = alphabet.bytes().position(|known| known == symbol).unwrap();
        alphabet.as_bytes()[(place + by) % alphabet.len()]
    };
    match presented {
        Right => {}
        First => symbols[0] = next(symbols[0], 1),
        Last => symbols[end] = next(symbols[end], 1),
        Random => {
            for symbol in &mut symbols {
                let by = usize::from(scene.draws.number().to_be_bytes()[0]) % (alphabet.len() - 1);
                *symbol = next(*symbol, 1 + by);
            }
        }
    }
    String::from_utf8(symbols).unwrap()
}

/// A text of which everything but the separators is secret.
#[must_use]
pub fn typed(text: &str, is_symbol: fn(&u8) -> bool) -> String {
    let mut secret = text.to_owned();
    let symbols = text.bytes().enumerate().filter(|(_, byte)| is_symbol(byte));
    symbols.for_each(|(place, _)| conceal_ascii(&mut secret[place..=place]));
    secret
}

/// A text whose last symbol is none.
#[must_use]
pub fn malformed(text: &str, tag: usize) -> String {
    let mut text = known(text);
    text.pop();
    text.push('!');
    conceal_tag(&mut text, tag);
    text
}
