//! The session of a token: an `mfa_token`, or an access token for the MFA audience.
//!
//! Every session passes [`alive`] before its account is touched. This module must never take a token whose client is no
//! longer registered, nor one of a user who was removed.

use axum::http::HeaderMap;
use countersign::{
    Denial, Session,
    session::ClientId,
    wire::{Endpoint, refuse},
};
use time::OffsetDateTime;

use crate::{
    app::App,
    audit::{About, HostEvent, SecondFactor, TokenCheck},
    client::Client,
    cross_origin,
    error::{ApiError, BearerError},
    request::{Known, scheme},
    store::User,
    tokens::Claims,
};

/// The session of a bearer token, and its client.
pub(crate) async fn bearer_session(
    app: &App,
    headers: &HeaderMap,
    client: Option<&Known>,
    endpoint: Endpoint,
) -> Result<(Session, Client), ApiError> {
    let denied = |denial: Denial| bearer_refused(endpoint, &denial);
    let token = match scheme(headers, "Bearer") {
        Ok(Some(token)) => token,
        Ok(None) => {
            record(app, TokenCheck::Missing, About::NOBODY);
            let refusal = refuse(endpoint, &Denial::MalformedToken);
            return Err(ApiError::RefusedBearer(refusal, BearerError::Missing));
        }
        Err(refusal) => {
            record(app, TokenCheck::Malformed, About::NOBODY);
            return Err(refusal.into());
        }
    };
    let id = client.map(|known| &known.id);
    let (session, own) = if is_access_token(token) {
        let claims = access_token(app, token).map_err(denied)?;
        let own = registered(app, &claims.client_id, endpoint).await?;
        (elevated(app, &claims, id, &own).map_err(denied)?, own)
    } else {
        let session = first_factor(app, token, id).map_err(denied)?;
        // Every sign-in here names its client.
        let own = registered(app, session.client().map_or("", ClientId::as_str), endpoint).await?;
        (session, own)
    };
    cross_origin::note(&own);
    alive(app, &session, endpoint).await?;
    Ok((session, own))
}

/// The session of a token in a body, and what an access token says of itself.
pub(crate) fn session(app: &App, token: &str, known: &Known) -> Result<(Session, Option<Claims>), Denial> {
    if !is_access_token(token) {
        return Ok((first_factor(app, token, Some(&known.id))?, None));
    }
    let claims = access_token(app, token)?;
    Ok((elevated(app, &claims, Some(&known.id), &known.client)?, Some(claims)))
}

/// The session of an `mfa_token` in a body.
pub(crate) async fn first_factor_session(
    app: &App,
    token: &str,
    client: &ClientId,
    endpoint: Endpoint,
) -> Result<Session, ApiError> {
    let session = first_factor(app, token, Some(client)).map_err(|denial| refuse(endpoint, &denial))?;
    alive(app, &session, endpoint).await?;
    Ok(session)
}

/// Refuses a session that an administrator or the core ended, and the session of a user who was removed. Every session passes
/// here before its account is touched.
pub(crate) async fn alive(app: &App, session: &Session, endpoint: Endpoint) -> Result<(), ApiError> {
    let user = app.database.user(session.subject()).await?;
    let ended = |user: &User| {
        user.has_ended(session.begun()) || user.has_ended_epoch(session.epoch(), session.transaction())
    };
    let alive = user.is_some_and(|user| !ended(&user));
    let reason = if alive { TokenCheck::Accepted } else { TokenCheck::Ended };
    record(app, reason, of(session));
    if alive { Ok(()) } else { Err(bearer_refused(endpoint, &Denial::ExpiredToken)) }
}

/// A refusal where the token comes in the `Authorization` header, with the challenge that RFC 6750 section 3 wants.
pub(crate) fn bearer_refused(endpoint: Endpoint, denial: &Denial) -> ApiError {
    let refusal = refuse(endpoint, denial);
    let scope = match endpoint {
        Endpoint::Associate | Endpoint::Challenge | Endpoint::Token | Endpoint::Otp | Endpoint::Update => {
            "enroll"
        }
        Endpoint::Authenticators => "read:authenticators",
        Endpoint::Remove => "remove:authenticators",
    };
    if let Denial::InsufficientUserAuthentication { max_age } = denial {
        let challenge = BearerError::InsufficientUserAuthentication(max_age.whole_seconds());
        return ApiError::RefusedBearer(refusal, challenge);
    }
    match (refusal.status, refusal.error) {
        (401, _) => ApiError::RefusedBearer(refusal, BearerError::InvalidToken),
        (_, "insufficient_scope") => ApiError::RefusedBearer(refusal, BearerError::InsufficientScope(scope)),
        _ => ApiError::Refused(refusal),
    }
}

/// Records a denial of the core that comes without an audit event, because no record was asked.
pub(crate) fn refused_early(app: &App, session: &Session, denial: Denial) -> Denial {
    app.metrics.audit.record(HostEvent::SecondFactor(SecondFactor::of(&denial)), of(session));
    denial
}

/// An `mfa_token` is base64url, which has no dot.
fn is_access_token(token: &str) -> bool {
    token.contains('.')
}

fn first_factor(app: &App, token: &str, client: Option<&ClientId>) -> Result<Session, Denial> {
    let now = OffsetDateTime::now_utc();
    let opened = app.core.call(|verifier| verifier.open(token, client, now));
    opened.inspect_err(|denial| record(app, TokenCheck::of(denial), about(client)))
}

fn access_token(app: &App, token: &str) -> Result<Claims, Denial> {
    app.signer.verify(token, OffsetDateTime::now_utc()).map_err(|reason| {
        record(app, reason, About::NOBODY);
        if reason == TokenCheck::Expired { Denial::ExpiredToken } else { Denial::MalformedToken }
    })
}

/// The client of a token. A token does not outlive the registration of its client.
async fn registered(app: &App, id: &str, endpoint: Endpoint) -> Result<Client, ApiError> {
    app.database.client(id).await?.ok_or_else(|| {
        record(app, TokenCheck::UnknownClient, About::NOBODY);
        bearer_refused(endpoint, &Denial::MalformedToken)
    })
}

fn elevated(app: &App, claims: &Claims, asking: Option<&ClientId>, own: &Client) -> Result<Session, Denial> {
    let session = elevated_session(claims, asking, own);
    session.inspect_err(|denial| record(app, TokenCheck::of(denial), about(asking)))
}

fn elevated_session(claims: &Claims, asking: Option<&ClientId>, own: &Client) -> Result<Session, Denial> {
    let instant = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| Denial::MalformedToken);
    // A token for another audience carries none, and is not taken here.
    let elevation = claims.elevation.clone().ok_or(Denial::MalformedToken)?;
    let own_id = ClientId::new(&claims.client_id).map_err(|_| Denial::MalformedToken)?;
    if asking.is_some_and(|asking| *asking != own_id) {
        return Err(Denial::WrongClient);
    }
    Ok(Session::elevated(elevation, claims.scopes(own), instant(claims.exp)?))
}

fn record(app: &App, reason: TokenCheck, about: About<'_>) {
    app.metrics.audit.record(HostEvent::Token(reason), about);
}

fn about(client: Option<&ClientId>) -> About<'_> {
    client.map_or(About::NOBODY, |client| About::client(client.as_str()))
}

/// Whom a session is about: its token was authentic, so both are known.
fn of(session: &Session) -> About<'_> {
    let about = About::subject(session.subject());
    session.client().map_or(about, |client| about.and_client(client.as_str()))
}
