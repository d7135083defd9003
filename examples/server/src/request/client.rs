//! The client of a request: who asks, and how it proves itself (RFC 6749 section 2.3).
//!
//! This module must never tell an unknown client from a wrong secret, except in the log.

use axum::http::HeaderMap;
use countersign::{
    session::ClientId,
    wire::{ClientCredentials, Endpoint, Parameter, Refusal},
};

use crate::{
    app::App,
    audit::{About, ClientCheck, HostEvent, TokenRequest},
    client::{Client, Grant},
    cross_origin,
    error::ApiError,
    headers::basic,
    request::scheme,
};

/// A client that proved itself.
pub(crate) struct Known {
    pub(crate) id: ClientId,
    pub(crate) client: Client,
}

impl Known {
    /// # Errors
    /// 403 `unauthorized_client` if the client is not registered for the grant.
    pub(crate) fn needs(&self, app: &App, grant: Grant) -> Result<(), Refusal> {
        self.needs_one_of(app, &[grant])
    }

    /// Refuses a client that may use none of these grants.
    pub(crate) fn needs_one_of(&self, app: &App, grants: &[Grant]) -> Result<(), Refusal> {
        if grants.iter().any(|grant| self.client.may_use(*grant)) {
            return Ok(());
        }
        let event = HostEvent::TokenRequest(TokenRequest::UnauthorizedGrant);
        app.metrics.audit.record(event, About::client(self.id.as_str()));
        Err(Refusal::unauthorized_client())
    }
}

/// Authenticates the client of a request, if it names one.
pub(crate) async fn client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
    endpoint: Endpoint,
) -> Result<Option<Known>, ApiError> {
    let record = |reason, about| app.metrics.audit.record(HostEvent::Client(reason), about);
    let refuse = |reason: ClientCheck, error: ApiError| {
        record(reason, About::NOBODY);
        Err(error)
    };
    let in_body = |parameter: &Option<Parameter>| parameter.as_ref().map(|p| p.expose().to_owned());
    let by_basic = match scheme(headers, "Basic") {
        Ok(by_basic) => by_basic,
        Err(refusal) => return refuse(ClientCheck::Ambiguous, refusal.into()),
    };
    // The challenge is for those who tried HTTP Basic, and for endpoints whose clients look for it.
    let not_proven = || {
        let refusal = Refusal::invalid_client();
        if by_basic.is_some() || !matches!(endpoint, Endpoint::Token | Endpoint::Otp) {
            ApiError::RefusedBasic(refusal)
        } else {
            ApiError::Refused(refusal)
        }
    };
    let (id, secret) = match by_basic.map(basic) {
        Some(None) => return refuse(ClientCheck::MalformedBasic, not_proven()),
        Some(Some(_)) if body.client_secret.is_some() || body.has_assertion => {
            let description = "The client authenticated in more than one way.";
            return refuse(ClientCheck::Ambiguous, Refusal::invalid_request(description).into());
        }
        Some(Some((id, _))) if body.client_id.as_ref().is_some_and(|named| named.expose() != id) => {
            let description = "The client gave two names.";
            return refuse(ClientCheck::Ambiguous, Refusal::invalid_request(description).into());
        }
        Some(Some((id, secret))) => (Some(id), Some(secret)),
        None => (in_body(&body.client_id), in_body(&body.client_secret)),
    };
    let Some(id) = id else {
        // An assertion is a proof that this server does not know how to check.
        return match (body.has_assertion, secret) {
            (true, _) => refuse(ClientCheck::UnsupportedMethod, not_proven()),
            (false, Some(_)) => refuse(ClientCheck::Missing, not_proven()),
            (false, None) => Ok(None),
        };
    };
    let known = match ClientId::new(&id) {
        Ok(id) => app.database.client(id.as_str()).await?.map(|client| Known { id, client }),
        Err(_) => None,
    };
    let Some(known) = known else { return refuse(ClientCheck::UnknownClient, not_proven()) };
    cross_origin::note(&known.client);
    let reason = if body.has_assertion {
        ClientCheck::UnsupportedMethod
    } else {
        known.client.check_secret(secret.as_deref())
    };
    record(reason, About::client(known.id.as_str()));
    if reason == ClientCheck::Accepted { Ok(Some(known)) } else { Err(not_proven()) }
}

/// The same, where a client must be named.
pub(crate) async fn named_client(
    app: &App,
    headers: &HeaderMap,
    body: &ClientCredentials,
    endpoint: Endpoint,
) -> Result<Known, ApiError> {
    client(app, headers, body, endpoint).await?.ok_or_else(|| {
        app.metrics.audit.record(HostEvent::Client(ClientCheck::Missing), About::NOBODY);
        Refusal::missing("client_id").into()
    })
}
