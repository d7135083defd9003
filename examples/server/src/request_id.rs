//! The id of a request: in the reply's `X-Request-Id`, and in every line that is logged while the request is worked on.
//!
//! The id of a request that comes from a trusted proxy is the proxy's, so that its log and this one can be joined.
//! Any other id is drawn here. This module must never take an id from a client: it could write what it likes into the
//! log, or give two requests one id.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

use crate::{peer::Peer, random};

/// The header of the id, in requests of trusted proxies and in every reply.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The target of the span, which every filter of the log lets through: see [`crate::telemetry`].
pub(crate) const SPAN_TARGET: &str = "request";
/// The most characters of an id.
const MAX_LENGTH: usize = 64;

/// The id of a request. It consists of letters, digits, `.`, `_` and `-`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The id in the headers if a trusted proxy wrote them and there is exactly one that is well-formed, or a new one.
    pub(crate) fn of(headers: &HeaderMap, trusted: bool) -> Self {
        let mut named = headers.get_all(REQUEST_ID).iter();
        match (named.next(), named.next()) {
            (Some(id), None) if trusted && well_formed(id) => Self(id.clone()),
            _ => Self::draw(),
        }
    }

    /// A new id. Without randomness, which fails the request in any case, it says so.
    pub(crate) fn draw() -> Self {
        let id = random::<16>()
            .ok()
            .and_then(|bytes| HeaderValue::try_from(format!("{:032x}", u128::from_be_bytes(bytes))).ok());
        Self(id.unwrap_or(HeaderValue::from_static("none")))
    }

    /// The value of the reply's header.
    pub(crate) fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The span of the request. Its level is the one that no filter excludes.
    pub(crate) fn span(&self, route: &str, peer: Option<Peer>) -> Span {
        tracing::error_span!(
            target: SPAN_TARGET,
            "request",
            request_id = self.0.to_str().unwrap_or("none"),
            route,
            peer = peer.map(tracing::field::display),
        )
    }
}

fn well_formed(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn of(ids: &[&str], trusted: bool) -> String {
        let mut headers = HeaderMap::new();
        for id in ids {
            headers.append(REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
        }
        RequestId::of(&headers, trusted).0.to_str().unwrap().to_owned()
    }

    fn drawn(id: &str) -> bool {
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    #[test]
    fn an_id_is_taken_from_a_trusted_proxy_alone() {
        assert_eq!(of(&["Edge-7.b_2"], true), "Edge-7.b_2");
        assert!(drawn(&of(&["Edge-7.b_2"], false)));
        assert_ne!(of(&[], true), of(&[], true));
    }

    #[test]
    fn an_id_that_is_malformed_too_long_or_not_alone_is_drawn_anew() {
        let longest = "a".repeat(MAX_LENGTH);
        assert_eq!(of(&[&longest], true), longest);
        for ids in [&[""][..], &["a b"], &["a\"b"], &["a\u{e9}"], &["a", "b"], &[&"a".repeat(MAX_LENGTH + 1)]]
        {
            assert!(drawn(&of(ids, true)), "{ids:?}");
        }
    }
}
