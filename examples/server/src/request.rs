//! What comes in: bodies as JSON or form, bearer tokens, and client credentials in the body or by HTTP Basic.

use std::error::Error as _;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use countersign::{
    ClientId, Denial, Session, TransactionId,
    wire::{ClientCredentials, Endpoint, Refusal, refuse},
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    error::ApiError,
    headers::{Encoding, basic, credentials, encoding},
    tokens::{BadToken, Claims},
};

/// The greatest body, in bytes. No request of the API comes near it.
pub(crate) const MAX_BODY: usize = 16_384;

/// Reads a body as JSON or as a form.
///
/// All of it must have come by the deadline (RFC 9110 section 15.5.9): a client that sends a byte now and then gets no more
/// time for it.
pub(crate) async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    let bytes = match timeout(app.limits.body_timeout, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
            return Err(Refusal::new(413, "invalid_request", "The request is too large.").into());
        }
        Ok(Err(_)) => return Err(Refusal::invalid_request("The request body cannot be read.").into()),
        Err(_) => {
            app.metrics.audit.record(HostEvent::Request(RequestCheck::BodyTimeout), About::NOBODY);
            return Err(Refusal::new(408, "invalid_request", "The request took too long to arrive.").into());
        }
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let unreadable = Refusal::invalid_request("The request body cannot be read.");
    match encoding(content_type) {
        Some(Encoding::Json) => serde_json::from_slice(&bytes).map_err(|_| unreadable.into()),
        Some(Encoding::Form) => serde_urlencoded::from_bytes(&bytes).map_err(|_| unreadable.into()),
        None => {
            let description =
                "The content type must be application/json or application/x-www-form-urlencoded.";
            Err(Refusal::new(415, "invalid_request", description).into())
        }
    }
}

/// Authenticates the client of a request. Whoever names none has none.
pub(crate) async fn client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
) -> Result<Option<ClientId>, ApiError> {
    let in_body =
        |parameter: &Option<countersign::wire::Parameter>| parameter.as_ref().map(|p| p.expose().to_owned());
    let basic =
        scheme(headers, "Basic").map(|credentials| basic(credentials).ok_or(Refusal::invalid_client()));
    let by_basic = basic.is_some();
    let refused =
        |refusal| if by_basic { ApiError::RefusedBasic(refusal) } else { ApiError::Refused(refusal) };
    let (id, secret) = match basic.transpose().map_err(refused)? {
        Some(_) if body.client_secret.is_some() || body.has_assertion => {
            return Err(Refusal::invalid_request("The client authenticated in more than one way.").into());
        }
        Some((id, _)) if body.client_id.as_ref().is_some_and(|named| named.expose() != id) => {
            return Err(Refusal::invalid_request("The client gave two names.").into());
        }
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (in_body(&body.client_id), in_body(&body.client_secret)),
    };
    let Some(id) = id else {
        return if secret.is_some() || body.has_assertion {
            Err(Refusal::invalid_client().into())
        } else {
            Ok(None)
        };
    };
    let known = match ClientId::new(&id) {
        Ok(name) => app.database.client(&id).await?.map(|client| (name, client)),
        Err(_) => None,
    };
    // An assertion is a proof that this server does not know how to check.
    let accepted = known.filter(|(_, client)| client.accepts(secret.as_deref()) && !body.has_assertion);
    accepted.map(|(name, _)| Some(name)).ok_or_else(|| refused(Refusal::invalid_client()))
}

/// The same, where a client must be named.
pub(crate) async fn named_client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
) -> Result<ClientId, ApiError> {
    client(app, headers, body).await?.ok_or_else(|| Refusal::missing("client_id").into())
}

/// The session of a bearer token: an `mfa_token`, or an access token for the MFA audience.
pub(crate) async fn bearer_session(
    app: &App,
    headers: &HeaderMap,
    client: Option<&ClientId>,
    endpoint: Endpoint,
) -> Result<Session, ApiError> {
    let denied = |denial| ApiError::from(refuse(endpoint, &denial));
    let token = scheme(headers, "Bearer").ok_or_else(|| denied(Denial::MalformedToken))?;
    let (session, _) = session(app, token, client).map_err(denied)?;
    alive(app, &session, endpoint).await?;
    Ok(session)
}

/// Refuses a session that an administrator ended, and the session of a user who was removed. Every session passes here before
/// its account is touched.
pub(crate) async fn alive(app: &App, session: &Session, endpoint: Endpoint) -> Result<(), ApiError> {
    match app.database.user(session.subject()).await? {
        Some(user) if !user.has_ended(session.begun()) => Ok(()),
        Some(_) | None => Err(refuse(endpoint, &Denial::ExpiredToken).into()),
    }
}

/// The session of a token, and what an access token says of itself.
pub(crate) fn session(
    app: &App,
    token: &str,
    client: Option<&ClientId>,
) -> Result<(Session, Option<Claims>), Denial> {
    let now = OffsetDateTime::now_utc();
    // An mfa_token is base64url, which has no dot.
    if !token.contains('.') {
        return Ok((app.core.call(|verifier| verifier.open(token, client, now))?, None));
    }
    let claims = app.signer.verify(token, now).map_err(|error| match error {
        BadToken::Expired => Denial::ExpiredToken,
        BadToken::Invalid => Denial::MalformedToken,
    })?;
    let instant = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Denial::MalformedToken);
    let own_client = ClientId::new(&claims.azp).map_err(|_| Denial::MalformedToken)?;
    if client.is_some_and(|client| *client != own_client) {
        return Err(Denial::WrongClient);
    }
    let session = Session::elevated(
        countersign::Subject::new(&claims.sub).map_err(|_| Denial::MalformedToken)?,
        own_client,
        TransactionId::from_token_id(&claims.jti),
        claims.scopes(),
        instant(claims.auth_time)?,
        instant(claims.exp)?,
    );
    Ok((session, Some(claims)))
}

/// The credentials of an `Authorization` header of this scheme.
fn scheme<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    credentials(headers.get(header::AUTHORIZATION)?.to_str().ok()?, wanted)
}
