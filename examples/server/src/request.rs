//! What comes in: bodies as JSON or form, client credentials in the body or by HTTP Basic, and tokens.
//!
//! Each decision here is an audit event. This module must never repeat a text of a request in an error or a log line.

mod client;
pub(crate) mod device;
mod session;

use std::error::Error as _;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use countersign::wire::{Parameter, Refusal};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    error::ApiError,
    headers::{Encoding, credentials, encoding},
};

pub(crate) use self::{
    client::{Known, client, named_client},
    session::{alive, bearer_refused, bearer_session, first_factor_session, refused_early, session},
};

/// The greatest body, in bytes. No request of the API comes near it.
pub(crate) const MAX_BODY: usize = 16_384;

/// Reads a body as JSON or as a form.
///
/// All of it must have come by the deadline (RFC 9110 section 15.5.9): a client that sends a byte now and then gets
/// no more time for it.
pub(crate) async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    // Nothing here unpacks a body, which would be a way around its bound.
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return Err(refused(app, RequestCheck::UnsupportedEncoding, ApiError::ContentEncoding));
    }
    let bytes = match timeout(app.limits.body_timeout, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            let refusal = Refusal::new(413, "invalid_request", "The request is too large.");
            return Err(refused(app, RequestCheck::TooLarge, refusal));
        }
        Ok(Err(_)) => {
            let refusal = Refusal::invalid_request("The request body cannot be read.");
            return Err(refused(app, RequestCheck::Unreadable, refusal));
        }
        Err(_) => {
            let refusal = Refusal::new(408, "invalid_request", "The request took too long to arrive.");
            return Err(refused(app, RequestCheck::BodyTimeout, refusal));
        }
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let read = match encoding(content_type) {
        Some(Encoding::Json) => serde_json::from_slice(&bytes).map_err(|error| unreadable(&error)),
        Some(Encoding::Form) => serde_urlencoded::from_bytes(&bytes).map_err(|error| unreadable(&error)),
        None => {
            let description =
                "The content type must be application/json or application/x-www-form-urlencoded.";
            let refusal = Refusal::new(415, "invalid_request", description);
            return Err(refused(app, RequestCheck::UnsupportedMediaType, refusal));
        }
    };
    read.map_err(|refusal| refused(app, RequestCheck::Unreadable, refusal))
}

/// A request that lacks a parameter, or has one that makes no sense.
pub(crate) fn incomplete(app: &App, refusal: Refusal) -> ApiError {
    refused(app, RequestCheck::InvalidParameter, refusal)
}

fn refused(app: &App, reason: RequestCheck, error: impl Into<ApiError>) -> ApiError {
    app.metrics.audit.record(HostEvent::Request(reason), About::NOBODY);
    error.into()
}

/// What is wrong with a body, as far as it helps: the parser's own words say where, and may quote what is secret.
fn unreadable(error: &impl std::fmt::Display) -> Refusal {
    let bounded = error.to_string().starts_with("a parameter is too long");
    let mut refusal = Refusal::invalid_request("The request body cannot be read.");
    if bounded {
        refusal.error_description =
            format!("A parameter is longer than {} bytes.", Parameter::MAX_BYTES).into();
    }
    refusal
}

/// The credentials of an `Authorization` header of this scheme.
fn scheme<'a>(headers: &'a HeaderMap, wanted: &str) -> Result<Option<&'a str>, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next();
    if given.next().is_some() {
        return Err(Refusal::invalid_request("There is more than one Authorization header."));
    }
    let text = first.and_then(|value| value.to_str().ok());
    Ok(text.and_then(|text| credentials(text, wanted)))
}
