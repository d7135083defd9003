//! The token of a remembered device: read from the body or from a cookie, and given to the browser in one.
//!
//! A page of this origin gets a cookie that no script reads, and nothing in the body. Whoever else asks gets the token in
//! the body and no cookie. Which of the two it is a browser says in `Sec-Fetch-Site`, which no page can set (Fetch
//! Metadata, section 2.4). This module must never log a token, nor refuse a request for one.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, header};
use countersign::{Session, Subject, code::DeviceToken, wire::Parameter};
use time::OffsetDateTime;

use crate::app::App;

/// The session, on the device whose token the request presents: that of the body, or else of the subject's cookie.
pub(crate) fn recognized(
    app: &App,
    headers: &HeaderMap,
    given: Option<&Parameter>,
    session: Session,
) -> Session {
    let name = cookie_name(app, session.subject());
    match given.map(Parameter::expose).or_else(|| cookie(headers, &name)) {
        Some(token) => app.core.call(|verifier| verifier.recognize(session, token)),
        None => session,
    }
}

/// Whether a page of this origin asks.
pub(crate) fn is_own_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

/// The cookie of a device: one for each subject, for this origin alone (RFC 6265bis section 4.1.3.2).
pub(crate) fn remembering(app: &App, subject: &Subject, token: &DeviceToken) -> HeaderValue {
    let left = token.expires() - OffsetDateTime::now_utc();
    set_cookie(app, subject, token.expose(), left.whole_seconds().max(0))
}

/// What ends that cookie.
pub(crate) fn forgetting(app: &App, subject: &Subject) -> HeaderValue {
    set_cookie(app, subject, "", 0)
}

fn set_cookie(app: &App, subject: &Subject, value: &str, seconds: i64) -> HeaderValue {
    let secure = if app.issuer.starts_with("https://") { "; Secure" } else { "" };
    let name = cookie_name(app, subject);
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The name says whose it is, so that two people of one browser do not take each other's, and says it in a hash.
fn cookie_name(app: &App, subject: &Subject) -> String {
    let hash = digest(&SHA256, subject.as_str().as_bytes());
    let short: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let prefix = if app.issuer.starts_with("https://") { "__Host-" } else { "" };
    format!("{prefix}countersign-device-{short}")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(known, _)| *known == name);
    found.next().map(|(_, value)| value)
}
