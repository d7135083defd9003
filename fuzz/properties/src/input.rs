//! `input`: codes, addresses and names as people and hosts give them, against a plain reading of what the documentation
//! says each type takes.
//!
//! The first byte chooses the type, the second how often the text is repeated (so that short inputs reach far beyond
//! every bound), the rest is the text.

use countersign::{
    AuthenticatorId, BindingCode, EmailAddress, Subject,
    code::{Malformed, OtpCode, RecoveryCode},
    command::{ChallengeTypes, Label},
    factor::AddressError,
    otp::KeyLabel,
    session::{Audience, ClientId, ElevatedScopes, NameError, NameErrorKind, Scope},
};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_properties::{GeneralCategory::DecimalNumber, UnicodeGeneralCategory as _};

use crate::allocations::bounded;

/// No reading of a text may take more than this: so many times its length, and so many bytes.
const BOUND: (usize, usize) = (2, 512);

pub fn check(data: &[u8]) {
    let [kind, repeat, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    let text = match repeat {
        0..=223 => text.into_owned(),
        224.. => text.repeat((1 << (repeat - 224).min(12)).min(1 + 65_536 / text.len().max(1))),
    };
    match kind % 8 {
        0 => {
            binding_code(&text);
            otp_code(&text);
        }
        1 => recovery_code(&text),
        2 => email(&text),
        3 => names(&text),
        4 => {
            label(&text);
            key_label(&text);
        }
        5 => authenticator_id(&text),
        6 => words(&text),
        _ => {
            // Whatever a text is meant for, every reader must stand it.
            [binding_code, otp_code, recovery_code, email, names, label, key_label, authenticator_id, words]
                .iter()
                .for_each(|read| read(&text));
        }
    }
}

/// What drops out of a typed code, as ranges of scalar values, from Unicode's tables: Pd and the minus sign, then
/// Default_Ignorable_Code_Point, the interlinear marks and the blank Braille pattern.
const DASHES: [(u32, u32); 21] = [
    (0x2d, 0x2d),
    (0x58a, 0x58a),
    (0x5be, 0x5be),
    (0x1400, 0x1400),
    (0x1806, 0x1806),
    (0x2010, 0x2015),
    (0x2212, 0x2212),
    (0x2e17, 0x2e17),
    (0x2e1a, 0x2e1a),
    (0x2e3a, 0x2e3b),
    (0x2e40, 0x2e40),
    (0x2e5d, 0x2e5d),
    (0x301c, 0x301c),
    (0x3030, 0x3030),
    (0x30a0, 0x30a0),
    (0xfe31, 0xfe32),
    (0xfe58, 0xfe58),
    (0xfe63, 0xfe63),
    (0xff0d, 0xff0d),
    (0x10d6e, 0x10d6e),
    (0x10ead, 0x10ead),
];
const INVISIBLE: [(u32, u32); 19] = [
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x206f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
    (0xad, 0xad),
];

fn is_in(table: &[(u32, u32)], c: char) -> bool {
    table.iter().any(|&(low, high)| (low..=high).contains(&u32::from(c)))
}

/// What a typed code reads as: its symbols, or why it is none. Too long comes first, then a character that no code has.
/// The value of a decimal digit of any script: they come in runs of ten, and each run is as far from its zero.
fn digit_value(c: char) -> Option<u8> {
    let is_digit = |c: char| c.general_category() == DecimalNumber;
    let before = (0_u8..)
        .zip((0..=u32::from(c)).rev())
        .take_while(|(_, point)| char::from_u32(*point).is_some_and(is_digit));
    // Runs that stand side by side begin anew after ten.
    before.last().map(|(place, _)| place % 10)
}

fn typed(text: &str, alphabet: &str, lengths: std::ops::RangeInclusive<usize>) -> Result<String, Malformed> {
    if text.len() > 256 {
        return Err(Malformed::TooLong);
    }
    let mut symbols = String::new();
    for c in text.chars() {
        if c.is_whitespace() || is_in(&DASHES, c) || is_in(&INVISIBLE, c) {
            continue;
        }
        let c = digit_value(c).map_or(c, |value| char::from(b'0' + value));
        let upper = if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c };
        match alphabet.chars().any(|known| known == upper) {
            true => symbols.push(upper),
            false => return Err(Malformed::Character),
        }
    }
    if lengths.contains(&symbols.chars().count()) { Ok(symbols) } else { Err(Malformed::Length) }
}

fn binding_code(text: &str) {
    let read = bounded(text.len(), BOUND, || BindingCode::parse(text));
    // A short one, or a long one.
    let expected = typed(text, "0123456789", 6..=20).and_then(|code| match code.len() {
        6..=9 | 20 => Ok(code),
        _ => Err(Malformed::Length),
    });
    assert_eq!(read.as_ref().map(BindingCode::expose), expected.as_deref());
    if let Ok(code) = read {
        assert_eq!(usize::from(code.length()), code.expose().len());
        assert_eq!(BindingCode::parse(code.expose()).unwrap().expose(), code.expose());
        assert!(!format!("{code:?}").contains(code.expose()));
    }
}

fn otp_code(text: &str) {
    let read = bounded(text.len(), BOUND, || OtpCode::parse(text));
    // One code, or four of one length.
    let expected = typed(text, "0123456789", 6..=32).and_then(|code| match code.len() {
        6..=8 | 24 | 28 | 32 => Ok(code),
        _ => Err(Malformed::Length),
    });
    assert_eq!(read.as_ref().map(OtpCode::expose), expected.as_deref());
    if let Ok(code) = read {
        let codes = if code.is_four() { 4 } else { 1 };
        assert_eq!(codes * usize::from(code.length()), code.expose().len());
        assert_eq!(OtpCode::parse(code.expose()).unwrap().expose(), code.expose());
        assert!(!format!("{code:?}").contains(code.expose()));
    }
}

fn recovery_code(text: &str) {
    let read = bounded(text.len(), BOUND, || RecoveryCode::parse(text));
    let expected = typed(text, "23456789ABCDEFGHJKLMNPQRSTUVWXYZ", 24..=24);
    assert_eq!(read.as_ref().map(RecoveryCode::expose), expected.as_deref());
    if let Ok(code) = read {
        assert_eq!(RecoveryCode::parse(code.expose()).unwrap().expose(), code.expose());
        assert_eq!(RecoveryCode::parse(&code.expose().to_lowercase()).unwrap().expose(), code.expose());
        assert!(!format!("{code:?}").contains(code.expose()));
    }
}

fn email(text: &str) {
    let read = bounded(text.len(), BOUND, || EmailAddress::parse(text));
    let is_atom = |c: char| {
        let look_alike = "\u{2024}\u{fe52}\u{fe6b}\u{ff20}\u{3002}\u{ff0e}\u{ff61}".contains(c);
        let noncharacter = u32::from(c) % 0x1_0000 >= 0xfffe || (0xfdd0..0xfdf0).contains(&u32::from(c));
        let special = "()<>[]:;\\,\"@.".contains(c);
        let hidden = c.is_control() || c.is_whitespace() || is_in(&INVISIBLE, c);
        !(hidden || look_alike || noncharacter || special)
    };
    let is_letter = |c: char| match c.is_ascii() {
        true => c.is_ascii_alphanumeric(),
        false => c.is_alphabetic() || is_combining_mark(c) || c.general_category() == DecimalNumber,
    };
    let is_label = |label: &str| {
        let begins = label.chars().next().is_some_and(|c| is_letter(c) && !is_combining_mark(c));
        begins && !label.ends_with('-') && label.chars().all(|c| c == '-' || is_letter(c))
    };
    let sides: Vec<&str> = text.split('@').collect();
    let (local, domain) = text.split_once('@').unwrap_or((text, ""));
    let too_long = local.len() > 64 || domain.split('.').any(|label| label.len() > 63);
    let expected = if text.len() > 254 {
        Err(AddressError::TooLong)
    } else if !text.chars().all(|c| is_atom(c) || c == '.' || c == '@') {
        Err(AddressError::ForbiddenCharacter)
    } else if sides.len() < 2 {
        Err(AddressError::Shape)
    } else if too_long {
        Err(AddressError::TooLong)
    } else if sides.len() != 2 || local.split('.').any(str::is_empty) || !domain.split('.').all(is_label) {
        Err(AddressError::Shape)
    } else if text.nfc().ne(text.chars()) {
        Err(AddressError::NotNormalized)
    } else {
        Ok(text)
    };
    assert_eq!(read.as_ref().map(EmailAddress::as_str), expected.as_ref().map(|text| *text));
    let Ok(address) = read else { return };
    // Masked: as long as before, and never more than four characters of a side.
    let masked = address.masked();
    assert_eq!(masked.chars().count(), text.chars().count());
    let parts: Vec<&str> = masked.split('@').collect();
    assert_eq!(parts.len(), 2);
    for (side, part) in sides.iter().zip(&parts) {
        let shown =
            part.chars().zip(side.chars()).filter(|(shown, real)| shown == real && *real != '*').count();
        assert!(shown <= 4);
    }
    assert!(sides[0].chars().count() > 4 || parts[0].chars().all(|c| c == '*'));
    let json = serde_json::to_string(&address).unwrap();
    assert_eq!(serde_json::from_str::<EmailAddress>(&json).unwrap(), address);
}

fn names(text: &str) {
    let expected = |min: usize, max: usize| {
        if text.len() < min {
            Err(NameErrorKind::Empty)
        } else if text.len() > max {
            Err(NameErrorKind::TooLong { max_bytes: max })
        } else if text.chars().any(|c| matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f)) {
            Err(NameErrorKind::ControlCharacter)
        } else {
            Ok(text.to_owned())
        }
    };
    let read = |name: Result<String, NameError>| name.map_err(|error| error.problem());
    let subject = bounded(text.len(), BOUND, || Subject::new(text));
    assert_eq!(read(subject.map(|name| name.as_str().to_owned())), expected(1, 255));
    assert_eq!(read(ClientId::new(text).map(|name| name.as_str().to_owned())), expected(1, 255));
    assert_eq!(read(Audience::new(text).map(|name| name.as_str().to_owned())), expected(0, 255));
    assert_eq!(read(Scope::new(text).map(|name| name.as_str().to_owned())), expected(0, 1024));
}

fn label(text: &str) {
    let read = bounded(text.len(), BOUND, || Label::new(text));
    let alphabet = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    let good = (1..=32).contains(&text.len()) && text.chars().all(|c| alphabet.contains(c));
    assert_eq!(read.is_ok(), good);
    if let Ok(label) = read {
        assert_eq!(label.as_str(), text);
    }
}

/// A text before the first equals sign as the issuer, and what is behind it as the account.
fn key_label(text: &str) {
    let (issuer, account) = text.split_once('=').unwrap_or((text, "account"));
    let read = bounded(text.len(), BOUND, || KeyLabel::new(issuer, account));
    let fits = |part: &str| {
        let forbidden = |c: char| c == ':' || matches!(u32::from(c), 0..=0x1f | 0x7f..=0x9f);
        let ends = [part.chars().next(), part.chars().last()];
        (1..=254).contains(&part.len())
            && !part.chars().any(forbidden)
            && !ends.into_iter().flatten().any(char::is_whitespace)
    };
    match read {
        Ok(label) => {
            assert!(fits(issuer) && fits(account));
            assert_eq!((label.issuer(), label.account()), (issuer, account));
        }
        Err(error) => assert!(!fits(if error.part() == "issuer" { issuer } else { account })),
    }
}

fn authenticator_id(text: &str) {
    let read = bounded(text.len(), BOUND, || text.parse::<AuthenticatorId>());
    let prefixes = ["email|dev_", "totp|dev_", "hotp|dev_", "recovery-code|dev_"];
    let id = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    let good = id.is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(read.is_ok(), good);
    if let Ok(id) = read {
        assert_eq!(id.to_string(), text);
    }
}

/// Lists of words: scopes by single spaces, challenge types by white space.
fn words(text: &str) {
    let has = |word: &str| text.split(' ').any(|given| given == word);
    let scopes = ElevatedScopes::parse(text);
    assert_eq!(scopes.enroll, has("enroll"));
    assert_eq!(scopes.read_authenticators, has("read:authenticators"));
    assert_eq!(scopes.remove_authenticators, has("remove:authenticators"));
    let types = ChallengeTypes::parse(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(types.oob, words.is_empty() || words.contains(&"oob"));
    assert_eq!(types.otp, words.is_empty() || words.contains(&"otp"));
}
