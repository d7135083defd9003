//! `wire`, the headers: content types, bearer tokens, HTTP Basic and `Retry-After`, against a second reading of each.
//!
//! The library's `wire` reads no header; its reference host does, in one file of pure functions, which is read in here.
//! The first byte chooses the header; the rest is its text, or what it is made of.

use countersign::wire::{TokenBody, TokenGrant};
use time::{Duration, OffsetDateTime};

use crate::{
    fixture::{START, client, rng, subject, verifier},
    wire::decoded,
};

#[allow(dead_code, reason = "the host's own file, whole")]
#[path = "../../../examples/server/src/headers.rs"]
mod host;

use host::Encoding;

pub(crate) fn check(kind: u8, rest: &[u8]) {
    match kind % 5 {
        0 => content_type(rest),
        1 => bearer(rest),
        2 => basic(&String::from_utf8_lossy(rest)),
        3 => made_basic(rest),
        _ => retry_after(rest),
    }
}

/// The media type is what stands before the parameters, in any case and with white space around it.
fn content_type(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let media_type: Vec<char> = text.chars().take_while(|c| *c != ';').collect();
    let inner = media_type.iter().skip_while(|c| c.is_whitespace()).collect::<String>();
    let inner = inner.trim_end();
    let is = |name: &str| {
        inner.len() == name.len()
            && inner.chars().zip(name.chars()).all(|(c, known)| c.to_ascii_lowercase() == known)
    };
    let expected = if is("application/json") {
        Some(Encoding::Json)
    } else if is("application/x-www-form-urlencoded") {
        Some(Encoding::Form)
    } else {
        None
    };
    assert_eq!(host::encoding(&text), expected, "the encoding of {text:?}");
    // What was read goes on to be read with whatever parameters.
    if let Some(encoding) = expected {
        let upper = text.to_uppercase();
        assert!(upper.contains(';') || host::encoding(&upper) == Some(encoding), "a media type has no case");
        assert_eq!(host::encoding(&format!("{};charset=\"utf-8\"", inner)), Some(encoding));
    }
}

/// A scheme has no case; behind its space stands the token, which no white space around it is part of.
fn bearer(text: &[u8]) {
    let [cases, text @ ..] = text else { return };
    let text = String::from_utf8_lossy(text);
    let expected = text.find(' ').and_then(|space| {
        let (scheme, behind) = (&text[..space], &text[space + 1..]);
        let same = scheme.len() == 6 && scheme.bytes().zip(*b"bearer").all(|(c, known)| c | 0x20 == known);
        (same && scheme.bytes().all(|c| c.is_ascii_alphabetic())).then(|| behind.trim())
    });
    assert_eq!(host::credentials(&text, "Bearer"), expected, "the token of {text:?}");
    // Any spelling of the scheme gives the token whole, and no other scheme does.
    let token = verifier(countersign::Policy::default());
    let record = crate::fixture::account(&subject());
    let issued = crate::fixture::begin(&token, &record, START, &mut rng(u64::from(*cases))).token;
    let scheme: String = "bearer"
        .chars()
        .enumerate()
        .map(|(place, c)| if cases >> place & 1 == 1 { c.to_ascii_uppercase() } else { c })
        .collect();
    let header = format!("{scheme} {}", issued.expose());
    assert_eq!(host::credentials(&header, "Bearer"), Some(issued.expose()));
    assert_eq!(host::credentials(&header, "Basic"), None);
    let read = host::credentials(&header, "Bearer").unwrap();
    assert!(token.open(read, Some(&client()), START).is_ok());
}

const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4_usize {
            let value = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap();
            text.push(if place <= chunk.len() { char::from(SYMBOLS[value]) } else { '=' });
        }
    }
    text
}

/// The bytes of a base64 text, if it is the one spelling of them.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let symbols = text.trim_end_matches('=');
    let mut bits = Vec::new();
    for symbol in symbols.bytes() {
        let value = SYMBOLS.iter().position(|known| *known == symbol)?;
        bits.extend((0..6).rev().map(|bit| u8::from(value >> bit & 1 == 1)));
    }
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect();
    (base64(&bytes) == text).then_some(bytes)
}

/// Any text as the credentials of HTTP Basic: base64 of UTF-8 with a colon, and each side a form's value.
fn basic(text: &str) {
    let decoded_text = from_base64(text).and_then(|bytes| String::from_utf8(bytes).ok());
    let expected = decoded_text.as_deref().and_then(|text| {
        let (id, secret) = text.split_once(':')?;
        Some((decoded(id.as_bytes()), decoded(secret.as_bytes())))
    });
    assert_eq!(host::basic(text), expected, "the credentials {text:?}");
}

/// One value of a form: everything but letters and digits as `%` and two digits, or a space as `+`.
fn encoded(text: &str, plus: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' if plus => out.push('+'),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A client's own name and secret, whatever is in them, come through as they are; and so they do in a body.
fn made_basic(data: &[u8]) {
    let [split, data @ ..] = data else { return };
    let text = String::from_utf8_lossy(data);
    let place = text.char_indices().map(|(place, _)| place).nth(usize::from(*split) % (text.len() + 1));
    let (id, secret) = text.split_at(place.unwrap_or(text.len()));
    let plus = split & 1 == 1;
    let made = base64(format!("{}:{}", encoded(id, plus), encoded(secret, plus)).as_bytes());
    basic(&made);
    let header = format!("Basic {made}");
    let read = host::credentials(&header, "basic").and_then(host::basic);
    assert_eq!(read, Some((id.to_owned(), secret.to_owned())), "what a client says of itself");
    let body = format!(
        "grant_type=password&username={}&password={}&client_id={0}",
        encoded(id, plus),
        encoded(secret, plus)
    );
    let Ok(body) = serde_urlencoded::from_str::<TokenBody>(&body) else {
        return assert!(id.len().max(secret.len()) > 4_096, "a short body can be read");
    };
    match body.grant() {
        Ok(TokenGrant::Password { username, password }) => {
            assert_eq!((username.expose(), password.expose()), (id, secret));
        }
        _ => assert!(id.is_empty() || secret.is_empty()),
    }
}

/// Whoever waits so many seconds comes back in time, and a second less would be too early.
fn retry_after(data: &[u8]) {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(data).for_each(|(byte, given)| *byte = *given);
    let [ahead, later] = [0, 8].map(|at| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
    let shifted = |millis: i64| START.checked_add(Duration::milliseconds(millis));
    let (Some(until), Some(now)) = (shifted(ahead), shifted(later)) else { return };
    let wait = host::retry_after(until, now);
    let comes = |seconds: i128| now.unix_timestamp_nanos() + seconds * 1_000_000_000;
    let ms = |instant: OffsetDateTime| instant.unix_timestamp_nanos();
    assert!(wait >= 0 && comes(wait) >= ms(until), "{wait} s are too few");
    assert!(wait == 0 || comes(wait - 1) < ms(until), "{wait} s are too many");
}
