//! What comes in: bodies as JSON or form, bearer tokens, and client credentials in the body or by HTTP Basic.

use std::error::Error as _;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use countersign::{
    ClientId, Denial, Session, TransactionId,
    wire::{ClientCredentials, Endpoint, Parameter, Refusal, refuse},
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    app::App,
    audit::{About, HostEvent, RequestCheck},
    client::{Client, Grant},
    cross_origin,
    error::{ApiError, BearerError},
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
    // Nothing here unpacks a body, which would be a way around its bound.
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        return Err(ApiError::ContentEncoding);
    }
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
    match encoding(content_type) {
        Some(Encoding::Json) => serde_json::from_slice(&bytes).map_err(|error| unreadable(&error).into()),
        Some(Encoding::Form) => {
            serde_urlencoded::from_bytes(&bytes).map_err(|error| unreadable(&error).into())
        }
        None => {
            let description =
                "The content type must be application/json or application/x-www-form-urlencoded.";
            Err(Refusal::new(415, "invalid_request", description).into())
        }
    }
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

/// A client that proved itself.
pub(crate) struct Known {
    pub(crate) id: ClientId,
    pub(crate) client: Client,
}

impl Known {
    /// # Errors
    /// 403 `unauthorized_client` if the client is not registered for the grant.
    pub(crate) fn needs(&self, grant: Grant) -> Result<(), Refusal> {
        if self.client.may_use(grant) { Ok(()) } else { Err(Refusal::unauthorized_client()) }
    }
}

/// Authenticates the client of a request, if it names one.
pub(crate) async fn client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
    endpoint: Endpoint,
) -> Result<Option<Known>, ApiError> {
    let in_body = |parameter: &Option<Parameter>| parameter.as_ref().map(|p| p.expose().to_owned());
    let basic =
        scheme(headers, "Basic")?.map(|credentials| basic(credentials).ok_or(Refusal::invalid_client()));
    let challenged = basic.is_some() || endpoint != Endpoint::Token;
    let refused =
        |refusal| if challenged { ApiError::RefusedBasic(refusal) } else { ApiError::Refused(refusal) };
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
            Err(refused(Refusal::invalid_client()))
        } else {
            Ok(None)
        };
    };
    let known = match ClientId::new(&id) {
        Ok(id) => app.database.client(id.as_str()).await?.map(|client| Known { id, client }),
        Err(_) => None,
    };
    if let Some(known) = &known {
        cross_origin::note(&known.client);
    }
    // An assertion is a proof that this server does not know how to check.
    let accepted = known.filter(|known| known.client.accepts(secret.as_deref()) && !body.has_assertion);
    accepted.map(Some).ok_or_else(|| refused(Refusal::invalid_client()))
}

/// The same, where a client must be named.
pub(crate) async fn named_client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
    endpoint: Endpoint,
) -> Result<Known, ApiError> {
    client(app, headers, body, endpoint).await?.ok_or_else(|| Refusal::missing("client_id").into())
}

/// The session of a bearer token, and its client: an `mfa_token`, or an access token for the MFA audience.
pub(crate) async fn bearer_session(
    app: &App,
    headers: &HeaderMap,
    client: Option<&Known>,
    endpoint: Endpoint,
) -> Result<(Session, Client), ApiError> {
    let denied = |denial: Denial| bearer_refused(endpoint, &denial);
    let Some(token) = scheme(headers, "Bearer")? else {
        return Err(ApiError::RefusedBearer(refuse(endpoint, &Denial::MalformedToken), BearerError::Missing));
    };
    // An mfa_token is base64url, which has no dot.
    if token.contains('.') {
        let claims = access_token(app, token).map_err(denied)?;
        // A token does not outlive the registration of its client.
        let own =
            app.database.client(&claims.client_id).await?.ok_or_else(|| denied(Denial::MalformedToken))?;
        cross_origin::note(&own);
        let session = elevated(&claims, client.map(|known| &known.id), &own).map_err(denied)?;
        alive(app, &session, endpoint).await?;
        return Ok((session, own));
    }
    let id = client.map(|known| &known.id);
    let now = OffsetDateTime::now_utc();
    let session = app.core.call(|verifier| verifier.open(token, id, now)).map_err(denied)?;
    let own = app.database.client(session.client().as_str()).await?;
    let own = own.ok_or_else(|| denied(Denial::MalformedToken))?;
    cross_origin::note(&own);
    alive(app, &session, endpoint).await?;
    Ok((session, own))
}

/// Refuses a session that an administrator ended, and the session of a user who was removed. Every session passes here before
/// its account is touched.
pub(crate) async fn alive(app: &App, session: &Session, endpoint: Endpoint) -> Result<(), ApiError> {
    match app.database.user(session.subject()).await? {
        Some(user) if !user.has_ended(session.begun()) => Ok(()),
        Some(_) | None => Err(bearer_refused(endpoint, &Denial::ExpiredToken)),
    }
}

/// A refusal where the token comes in the `Authorization` header, with the challenge that RFC 6750 section 3 wants.
pub(crate) fn bearer_refused(endpoint: Endpoint, denial: &Denial) -> ApiError {
    let refusal = refuse(endpoint, denial);
    let scope = match endpoint {
        Endpoint::Associate | Endpoint::Challenge | Endpoint::Token => "enroll",
        Endpoint::Authenticators => "read:authenticators",
        Endpoint::Remove => "remove:authenticators",
    };
    match (refusal.status, refusal.error) {
        (401, _) => ApiError::RefusedBearer(refusal, BearerError::InvalidToken),
        (_, "insufficient_scope") => ApiError::RefusedBearer(refusal, BearerError::InsufficientScope(scope)),
        _ => ApiError::Refused(refusal),
    }
}

/// The session of a token in a body, and what an access token says of itself.
pub(crate) fn session(app: &App, token: &str, known: &Known) -> Result<(Session, Option<Claims>), Denial> {
    if !token.contains('.') {
        let now = OffsetDateTime::now_utc();
        return Ok((app.core.call(|verifier| verifier.open(token, Some(&known.id), now))?, None));
    }
    let claims = access_token(app, token)?;
    Ok((elevated(&claims, Some(&known.id), &known.client)?, Some(claims)))
}

fn access_token(app: &App, token: &str) -> Result<Claims, Denial> {
    app.signer.verify(token, OffsetDateTime::now_utc()).map_err(|error| match error {
        BadToken::Expired => Denial::ExpiredToken,
        BadToken::Invalid => Denial::MalformedToken,
    })
}

fn elevated(claims: &Claims, asking: Option<&ClientId>, own: &Client) -> Result<Session, Denial> {
    let instant = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Denial::MalformedToken);
    let own_id = ClientId::new(&claims.client_id).map_err(|_| Denial::MalformedToken)?;
    if asking.is_some_and(|asking| *asking != own_id) {
        return Err(Denial::WrongClient);
    }
    Ok(Session::elevated(
        countersign::Subject::new(&claims.sub).map_err(|_| Denial::MalformedToken)?,
        own_id,
        TransactionId::from_token_id(&claims.jti),
        claims.scopes(own),
        instant(claims.auth_time)?,
        instant(claims.exp)?,
    ))
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
