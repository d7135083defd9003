//! What the headers of a request say and those of a reply must say, as pure functions of text and time:
//! `fuzz/properties` reads this very file. It must never look at a clock or at anything else of the server.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use time::OffsetDateTime;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Encoding {
    Json,
    Form,
}

/// What a `Content-Type` says of the body, whatever its parameters (RFC 9110 section 8.3.1).
pub(crate) fn encoding(content_type: &str) -> Option<Encoding> {
    let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => Some(Encoding::Json),
        "application/x-www-form-urlencoded" => Some(Encoding::Form),
        _ => None,
    }
}

/// The credentials of an `Authorization` of this scheme (RFC 9110 section 11.4).
pub(crate) fn credentials<'a>(authorization: &'a str, wanted: &str) -> Option<&'a str> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| credentials.trim())
}

/// Name and secret of HTTP Basic, each form-encoded (RFC 6749 section 2.3.1).
pub(crate) fn basic(credentials: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

/// The seconds of a `Retry-After`: whole ones, rounded up, so that nobody comes back too early.
pub(crate) fn retry_after(at: OffsetDateTime, now: OffsetDateTime) -> i128 {
    (at - now).whole_milliseconds().max(0).saturating_add(999) / 1000
}

fn form_decoded(text: &str) -> Option<String> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(&format!("v={}", text.replace('&', "%26"))).ok()?;
    pairs.into_iter().next().map(|(_, value)| value)
}
