//! Errors as clients read them: always JSON, and never more than the wire's tables say.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::wire::{MfaRequired, Refusal};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{app::ServerError, first_factor::FirstFactorError, headers::retry_after, store::StoreError};

const BUSY: &str = "The server is busy. Try again.";

/// Why a request was not answered with success.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The client was refused.
    Refused(Refusal),
    /// A client was refused that tried HTTP Basic, which is answered with `WWW-Authenticate` (RFC 6749 section 5.2),
    /// or that was refused elsewhere than at the token endpoint, where every 401 has that header (RFC 9110 section
    /// 15.5.2). At the token endpoint some libraries drop the error of a client that authenticated in the body if the
    /// header is there.
    RefusedBasic(Refusal),
    /// A binding code was wrong.
    WrongCode {
        refusal: Refusal,
        /// How many more the client may present in this transaction for this authenticator.
        attempts_left: u8,
    },
    /// A bearer token was refused (RFC 6750 section 3).
    RefusedBearer(Refusal, BearerError),
    /// The body is packed (RFC 9110 section 15.5.16).
    ContentEncoding,
    /// A second factor is wanted.
    MfaRequired(MfaRequired),
    /// The server is at fault.
    ServerError(ServerError),
}

/// What the challenge of a refused bearer token says beside its scheme (RFC 6750 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BearerError {
    /// There was no token: nothing is said of one.
    Missing,
    /// It is malformed, expired, revoked or for something else.
    InvalidToken,
    /// It is good, and for less than this scope.
    InsufficientScope(&'static str),
    /// It is good, and its second factor was used longer ago than this many seconds (RFC 9470 section 3).
    InsufficientUserAuthentication(i64),
}

impl BearerError {
    fn challenge(self) -> HeaderValue {
        let challenge = match self {
            Self::Missing => "Bearer realm=\"countersign\"".to_owned(),
            Self::InvalidToken => "Bearer realm=\"countersign\", error=\"invalid_token\"".to_owned(),
            Self::InsufficientScope(scope) => {
                format!("Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"{scope}\"")
            }
            Self::InsufficientUserAuthentication(max_age) => format!(
                "Bearer realm=\"countersign\", error=\"insufficient_user_authentication\", max_age=\"{max_age}\""
            ),
        };
        HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ServerError> for ApiError {
    fn from(trouble: ServerError) -> Self {
        Self::ServerError(trouble)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::ServerError(error.into())
    }
}

impl From<FirstFactorError> for ApiError {
    fn from(error: FirstFactorError) -> Self {
        Self::ServerError(error.into())
    }
}

impl From<getrandom::Error> for ApiError {
    fn from(error: getrandom::Error) -> Self {
        Self::ServerError(error.into())
    }
}

impl From<jsonwebtoken::errors::Error> for ApiError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::ServerError(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refused(&refusal),
            Self::RefusedBasic(refusal) => {
                let mut response = refused(&refusal);
                let value = HeaderValue::from_static("Basic realm=\"countersign\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
                response
            }
            Self::WrongCode { refusal, attempts_left } => {
                let body = WrongCodeBody { refusal: &refusal, attempts_left };
                answered(&refusal, Json(body).into_response())
            }
            Self::RefusedBearer(refusal, error) => {
                let mut response = refused(&refusal);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, error.challenge());
                response
            }
            Self::ContentEncoding => {
                let mut response =
                    refused(&Refusal::new(415, "invalid_request", "The content encoding must be identity."));
                response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
                response
            }
            Self::MfaRequired(reply) => (StatusCode::FORBIDDEN, Json(reply)).into_response(),
            // What every client that asks for too much gets is no failure of the server, and not worth a line each.
            Self::ServerError(ServerError::FirstFactor(FirstFactorError::Busy(why))) => {
                tracing::debug!(%why, "a sign-in was put off");
                busy(BUSY)
            }
            Self::ServerError(ServerError::Overloaded) => busy(BUSY),
            Self::ServerError(trouble) => {
                tracing::error!(error = %trouble, "a request failed");
                let stands = |error: &StoreError| !error.is_unreadable();
                let is_busy = matches!(&trouble, ServerError::Contended | ServerError::Gone)
                    || matches!(&trouble, ServerError::Store(error) if stands(error))
                    || matches!(&trouble, ServerError::FirstFactor(FirstFactorError::Store(error)) if stands(error));
                if is_busy { busy(BUSY) } else { refused(&Refusal::server_error()) }
            }
        }
    }
}

/// The server cannot do it now, and can soon.
pub(crate) fn busy(description: &'static str) -> Response {
    let mut response = refused(&Refusal::new(503, "server_error", description));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Auth0's error, and the field that this server adds.
#[derive(Serialize)]
struct WrongCodeBody<'a> {
    #[serde(flatten)]
    refusal: &'a Refusal,
    attempts_left: u8,
}

fn refused(refusal: &Refusal) -> Response {
    answered(refusal, Json(refusal).into_response())
}

/// A refusal's body with its status and its `Retry-After`.
fn answered(refusal: &Refusal, mut response: Response) -> Response {
    *response.status_mut() =
        StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        // Nobody knows where the next request would begin (RFC 9110 section 15.5.9).
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(at) = refusal.retry_at {
        let wait = retry_after(at, OffsetDateTime::now_utc());
        if let Ok(wait) = HeaderValue::try_from(wait.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9470 section 3.
    #[test]
    fn a_second_factor_that_is_too_old_is_answered_with_the_age_that_it_may_have() {
        let challenge = BearerError::InsufficientUserAuthentication(900).challenge();
        let expected =
            "Bearer realm=\"countersign\", error=\"insufficient_user_authentication\", max_age=\"900\"";
        assert_eq!(challenge, expected);
    }
}
