//! `/mfa/…`: enroll, challenge, list, name, prefer, remove.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use countersign::{
    AuthenticatorId, Denial, EmailAddress, NewFactor, Session, Verifier,
    otp::KeyLabel,
    wire::{
        AssociateBody, AssociateFactor, AssociateReply, AuthenticatorUpdate, ChallengeBody, ChallengeReply,
        Endpoint, Refusal, UpdateBody, refuse,
    },
};
use time::OffsetDateTime;

use crate::{
    app::{App, ServerError},
    audit::{About, HostEvent, TokenRequest},
    client::Grant,
    error::ApiError,
    listing::Listed,
    request,
};

pub(crate) async fn associate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AssociateReply>, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Associate, &denial);
    let body: AssociateBody = request::read(&app, &headers, body).await?;
    // The bearer token is the credential here, so a client may stay unnamed; one that is named must be the token's.
    let client = request::client(&app, &headers, &body.client(), Endpoint::Associate).await?;
    let (session, own) =
        request::bearer_session(&app, &headers, client.as_ref(), Endpoint::Associate).await?;
    let incomplete = |refusal| request::incomplete(&app, refusal);
    let (wanted, name) = (body.factor().map_err(incomplete)?, body.name().map_err(incomplete)?);
    let grant = match &wanted {
        AssociateFactor::Otp => Grant::MfaOtp,
        AssociateFactor::Email(_) | _ => Grant::MfaOob,
    };
    // What is enrolled is confirmed by that grant, so without it a message would be sent, or a secret shown,
    // in vain.
    if !own.may_use(grant) {
        let event = HostEvent::TokenRequest(TokenRequest::UnauthorizedGrant);
        let about = About::subject(session.subject()).and_client(&own.client_id);
        app.metrics.audit.record(event, about);
        return Err(Refusal::unauthorized_client().into());
    }
    let factor = match wanted {
        AssociateFactor::Email(Some(address)) => NewFactor::email(address),
        AssociateFactor::Email(None) => {
            let address = EmailAddress::parse(&own_address(&app, &session).await?);
            NewFactor::email(address.map_err(|_| incomplete(Refusal::missing("email")))?)
        }
        AssociateFactor::Otp | _ => {
            let label = label(app.templates.service(), &own_address(&app, &session).await?);
            NewFactor::totp(label.ok_or(ServerError::Misuse("a name that no label takes"))?)
        }
    };
    let factor = match name {
        Some(name) => factor.name(name),
        None => factor,
    };
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, entropy: &_| {
        verifier.associate(&session, account, &factor, now, entropy)
    };
    let outcome = app.step(subject, step).await?;
    let at = outcome.audit().at();
    let answer = outcome.into_parts().0.map_err(denied)?;
    Ok(Json(AssociateReply::new(&answer, app.core.policy(), at)))
}

/// The address of the user, which nothing was sent to.
async fn own_address(app: &App, session: &Session) -> Result<String, ApiError> {
    // A user can be removed meanwhile.
    let user = app.database.user(session.subject()).await?;
    let gone = || request::bearer_refused(Endpoint::Associate, &Denial::ExpiredToken);
    Ok(user.ok_or_else(gone)?.email)
}

/// What an app shows beside its codes. A name may have what would structure the label.
fn label(service: &str, address: &str) -> Option<KeyLabel> {
    let plain = |name: &str| {
        let mut short = String::new();
        let shown = name.trim().chars().map(|c| if c == ':' || c.is_control() { ' ' } else { c });
        for c in shown {
            if short.len() + c.len_utf8() <= KeyLabel::MAX_BYTES {
                short.push(c);
            }
        }
        short.trim().to_owned()
    };
    KeyLabel::new(&plain(service), &plain(address)).ok()
}

pub(crate) async fn challenge(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ChallengeReply>, ApiError> {
    let denied = |denial| ApiError::from(refuse(Endpoint::Challenge, &denial));
    let body: ChallengeBody = request::read(&app, &headers, body).await?;
    let known = request::named_client(&app, &headers, &body.client(), Endpoint::Challenge).await?;
    known.needs_one_of(&app, &[Grant::MfaOob, Grant::MfaOtp])?;
    let incomplete = |refusal| request::incomplete(&app, refusal);
    let mfa_token = body.mfa_token().map_err(incomplete)?.expose();
    let session = request::first_factor_session(&app, mfa_token, &known.id, Endpoint::Challenge).await?;
    let session = request::device::recognized(&app, &headers, body.device_token.as_ref(), session);
    let mut request = body.request().map_err(incomplete)?;
    // What the client has no grant to answer with is not asked for.
    request.types.oob &= known.client.may_use(Grant::MfaOob);
    request.types.otp &= known.client.may_use(Grant::MfaOtp);
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, entropy: &_| {
        verifier.challenge(&session, account, &request, now, entropy)
    };
    let outcome = app.step(subject, step).await?;
    let at = outcome.audit().at();
    let answer = outcome.into_parts().0.map_err(denied)?;
    Ok(Json(ChallengeReply::new(&answer, app.core.policy(), at)))
}

pub(crate) async fn authenticators(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Listed>>, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Authenticators, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Authenticators).await?;
    let account = app.load(session.subject()).await?;
    let now = OffsetDateTime::now_utc();
    let listed = app.core.call(|verifier| verifier.authenticators(&session, &account, now));
    let listed = listed.map_err(|denial| denied(request::refused_early(&app, &session, denial)))?;
    let left = app.core.call(|verifier| verifier.recovery_codes_left(&account));
    Ok(Json(listed.iter().map(|view| Listed::new(view, &session, &account, left)).collect()))
}

pub(crate) async fn update(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Update, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Update).await?;
    let id = authenticator(&app, &session, Endpoint::Update, id)?;
    let body: UpdateBody = request::read(&app, &headers, body).await?;
    let (name, preferred) = match body.update().map_err(|refusal| request::incomplete(&app, refusal))? {
        AuthenticatorUpdate::Name(name) => (name, None),
        AuthenticatorUpdate::Preferred(preferred) => (None, Some(preferred)),
        _ => return Err(ServerError::Misuse("an update that this server does not know").into()),
    };
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, _: &_| match preferred {
        Some(preferred) => verifier.prefer(&session, account, id, preferred, now),
        None => verifier.rename(&session, account, id, name.as_ref(), now),
    };
    app.step(subject, step).await?.into_parts().0.map_err(denied)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let denied = |denial| request::bearer_refused(Endpoint::Remove, &denial);
    let (session, _) = request::bearer_session(&app, &headers, None, Endpoint::Remove).await?;
    let id = authenticator(&app, &session, Endpoint::Remove, id)?;
    let subject = session.subject().clone();
    let step = move |verifier: &Verifier, account, now, _: &_| verifier.remove(&session, account, id, now);
    app.step(subject, step).await?.into_parts().0.map_err(denied)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The authenticator that a path names.
fn authenticator(
    app: &App,
    session: &Session,
    endpoint: Endpoint,
    id: Result<Path<String>, PathRejection>,
) -> Result<AuthenticatorId, ApiError> {
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let unknown = || request::refused_early(app, session, Denial::UnknownAuthenticator);
    id.ok_or_else(|| request::bearer_refused(endpoint, &unknown()))
}
